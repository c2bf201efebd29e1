import { nkeys, jwtAuthenticator as reference } from "nats";
import { describe, expect, it } from "vitest";
import { jwtAuthenticator } from "../../../src/cli/nats-jwt.ts";

const refused = (message: RegExp) =>
  expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringMatching(message) });

describe("the JWT authenticator", () => {
  it("answers as the NATS client's own does", () => {
    for (let round = 0; round < 3; round++) {
      const seed = nkeys.createUser().getSeed();
      const ours = jwtAuthenticator("header.claims.signature", new TextDecoder().decode(seed));
      const theirs = reference("header.claims.signature", seed);
      for (const nonce of ["", "PXoWU7zWAMt75FY", "ünïcode"]) expect(ours(nonce)).toEqual(theirs(nonce));
      expect(ours()).toEqual(theirs());
    }
  });

  it("refuses what is no seed of a user, and never repeats it", () => {
    const seed = new TextDecoder().decode(nkeys.createUser().getSeed());
    const typo = seed.replace(/.{4}$/, (end) =>
      [...end].reverse().join("") === end ? "AAAA" : [...end].reverse().join(""),
    );
    for (const wrong of ["", "SU", "nonsense", seed.slice(1), `${seed}AA`, seed.toLowerCase(), typo]) {
      expect(() => jwtAuthenticator("jwt", wrong), wrong).toThrow(refused(/CLIENT_SEED is not the seed/));
    }
    const account = new TextDecoder().decode(nkeys.createAccount().getSeed());
    expect(() => jwtAuthenticator("jwt", account)).toThrow(refused(/begins with SU/));
    const key = nkeys.createUser().getPublicKey();
    expect(() => jwtAuthenticator("jwt", key)).toThrow(refused(/^(?!.*[A-Z2-7]{30})/));
  });
});
