# One tidemark host. Built in a stage of its own, so that no compiler and no test is in what runs.
FROM node:24-slim AS build
WORKDIR /tidemark
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
# Only what runs stays, in the versions of the lock; prom-client, an optional peer, comes along for /metrics.
RUN npm run build && npm pkg delete devDependencies peerDependencies peerDependenciesMeta \
  && npm install --ignore-scripts --no-audit --no-fund prom-client@15

FROM node:24-slim
ENV NODE_ENV=production
WORKDIR /tidemark
COPY --from=build /tidemark/package.json ./
COPY --from=build /tidemark/node_modules ./node_modules
COPY --from=build /tidemark/dist ./dist
USER node
EXPOSE 7379 7380
# The program itself is the process that is signalled, so that it drains when the container is stopped.
ENTRYPOINT ["node", "dist/cli/main.js"]
CMD ["serve"]
