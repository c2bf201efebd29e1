/**
 * Which official nats-server is fetched where none is installed, and the checksums it has to match. The
 * sums are pinned here and not read from the `SHA256SUMS` file beside the archive: a sum that comes from
 * the same place as the file proves only that both arrived. They are those the NATS project builds its own
 * container images from; raising the version means replacing all four.
 */

/** A pinned release: where it lies, its version, and the SHA-256 of each platform's archive. */
export interface Release {
  readonly baseUrl: string;
  readonly version: string;
  /** By `<os>-<cpu>` in the release's own words, such as `linux-amd64`. */
  readonly sha256: Readonly<Record<string, string>>;
}

/** The release fetched unless the caller says otherwise. */
export const OFFICIAL_RELEASE: Release = {
  baseUrl: "https://github.com/nats-io/nats-server/releases/download",
  version: "2.14.5",
  sha256: {
    "linux-amd64": "5e3b603d47c447bda1f77f9ac16dbf91c90aac4ff3681f8fbbc7201e4ed99355",
    "linux-arm64": "673a98d3faa79dde3f9ebf16d6dfac36a5f694e7ad2015e4954dd7939c85cd4c",
    "darwin-amd64": "f95c98d6b6ed2b63c5681b46b092c9585c99767d547cf495730c329234625e96",
    "darwin-arm64": "ddd907854d9a2de834af133fa396915fe6442fe6d8909ae31390d1ea7a0fea50",
  },
};
