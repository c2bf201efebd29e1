/**
 * A server URL, options of `nats.connect`, or a connection of `nats` 2 that stays its owner's. Told without the
 * types of `nats`, which do not stand up to a strict compiler in a user's project.
 */
export type NatsConnectionOption = string | object;
