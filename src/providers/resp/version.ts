/** The Redis whose replies and error texts this door gives; clients decide by it what they may use. */
export const REDIS_VERSION = "7.0.15";
