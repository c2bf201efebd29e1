/**
 * A dot names one event: the origin that made it and its place in that origin's sequence (riak_dt,
 * "dotted version vectors"). The origin is an index of `Origins`.
 */
export interface Dot {
  readonly origin: number;
  readonly seq: number;
}
