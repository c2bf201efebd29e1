/**
 * What befalls a simulated cluster: each disturbance by name, so that a failing run can be told, with its
 * own end some time later.
 */
import type { Host } from "../../src/host.ts";
import type { Random } from "../../src/testing/random.ts";
import type { VirtualCluster } from "../../src/testing/virtual-cluster.ts";
import { drawFaults, type Weather } from "./weather.ts";

/** What a disturbance works on. */
export interface Stage {
  readonly cluster: VirtualCluster;
  readonly random: Random;
  readonly weather: Weather;
  readonly mostHosts: number;
  /** How long it lasts, in the mean, milliseconds. */
  readonly lastsMs: number;
  /** Whether the run still disturbs; what is due after that is undone by the healing. */
  disturbing(): boolean;
  tell(what: string): void;
}

/** A stage with those who are alive, and one of them. */
interface Scene extends Stage {
  readonly alive: readonly number[];
  readonly victim: number;
  readonly host: Host;
}

export type DisturbanceName =
  | "halves"
  | "isolate"
  | "oneWay"
  | "weather"
  | "crash"
  | "massCrash"
  | "join"
  | "leave"
  | "pause"
  | "disconnect"
  | "serverRestart"
  | "stall"
  | "slow"
  | "clock";

const ACTS: Readonly<Record<DisturbanceName, (scene: Scene) => void>> = {
  halves(scene) {
    const { cluster, random, alive } = scene;
    const group = random.shuffle(alive).slice(0, random.integer(1, alive.length));
    scene.tell(`splits ${named(group)} from the others`);
    cluster.partition([group]);
    later(scene, "the partition ends", () => cluster.network.links.rejoin());
  },

  isolate(scene) {
    scene.tell(`isolates ${scene.host.node}`);
    scene.cluster.isolate(scene.victim);
    later(scene, "the isolation ends", () => scene.cluster.network.links.rejoin());
  },

  oneWay(scene) {
    const other = scene.random.pick(scene.alive);
    scene.tell(`loses what ${scene.host.node} sends to ${named([other])}`);
    scene.cluster.oneWay(scene.victim, other);
    later(scene, "the cut link is back", () => scene.cluster.network.links.rejoin());
  },

  weather(scene) {
    const faults = drawFaults(scene.random, scene.weather);
    scene.tell(`changes the weather to ${JSON.stringify(faults)}`);
    scene.cluster.network.links.change(faults);
  },

  crash(scene) {
    if (scene.alive.length > 1) crashAndRestart(scene, scene.victim);
  },

  massCrash(scene) {
    const { random, alive } = scene;
    for (const index of random.shuffle(alive).slice(0, alive.length - 1)) {
      if (random.chance(0.7)) crashAndRestart(scene, index);
    }
  },

  join({ cluster, mostHosts, tell }) {
    if (cluster.hosts.length >= mostHosts) return;
    tell(`starts ${named([cluster.hosts.length])}`);
    cluster.add();
  },

  // How it ends is checked by what is left: that nothing of it is lost but what nobody heard.
  leave(scene) {
    const { cluster, host, alive, victim } = scene;
    if (alive.length < 2) return;
    scene.tell(`lets ${host.node} leave`);
    const left = (how: string): void => {
      scene.tell(`${host.node} ${how}`);
      if (cluster.hosts[victim] === host) restartLater(scene, victim);
    };
    host.close().then(
      () => left("has left"),
      (error: unknown) => left(`failed to leave: ${error}`),
    );
  },

  pause(scene) {
    const { cluster, host, victim } = scene;
    scene.tell(`pauses ${host.node}`);
    cluster.pause(victim);
    later(scene, `${host.node} goes on`, () => cluster.resume(victim));
  },

  disconnect(scene) {
    disconnect(scene, [scene.victim]);
  },

  serverRestart(scene) {
    const { cluster, random } = scene;
    disconnect(scene, scene.alive);
    if (random.chance(0.3)) cluster.network.maxMessageBytes = Math.round(random.magnitude(600, 1_000_000));
  },

  stall(scene) {
    const { cluster, host, victim } = scene;
    scene.tell(`stalls the connection of ${host.node}`);
    cluster.network.stall(host.node);
    if (scene.random.chance(0.5)) {
      later(scene, `${host.node} is unstalled`, () => cluster.network.unstall(host.node));
      return;
    }
    later(scene, `${host.node} notices that its connection is dead`, () => {
      cluster.disconnect(victim);
      later(scene, `${host.node} reconnects`, () => cluster.reconnect(victim));
    });
  },

  slow(scene) {
    const { cluster, host } = scene;
    const messageMs = scene.random.magnitude(1, 300);
    scene.tell(`makes ${host.node} need ${Math.round(messageMs)} ms per message`);
    cluster.network.slow(host.node, messageMs);
    later(scene, `${host.node} is fast again`, () => cluster.network.slow(host.node, 0));
  },

  clock(scene) {
    const { random } = scene;
    const seconds = random.chance(0.5) ? random.between(-600, 600) : random.between(-12, 12);
    scene.tell(`sets the clock of ${scene.host.node} off by ${seconds.toFixed(1)} s`);
    scene.cluster.skewClock(scene.victim, Math.round(seconds * 1_000));
  },
};

/** Every kind there is. */
export const DISTURBANCES = Object.keys(ACTS) as readonly DisturbanceName[];

/** Lets one disturbance of a kind happen to some host that is alive. */
export function disturb(name: DisturbanceName, stage: Stage): void {
  const { cluster, random } = stage;
  const alive = [...cluster.hosts.keys()].filter((index) => cluster.alive(index));
  if (alive.length === 0) return;
  const victim = random.pick(alive);
  ACTS[name]({ ...stage, alive, victim, host: cluster.hosts[victim]! });
}

/** Kills a host; mostly it comes back, sometimes at once, sometimes never. */
export function crashAndRestart(stage: Stage, index: number): void {
  const { cluster, random } = stage;
  if (!cluster.alive(index)) return;
  stage.tell(`crashes ${named([index])}`);
  cluster.crash(index);
  if (random.chance(0.85)) restartLater(stage, index);
}

function restartLater(stage: Stage, index: number): void {
  later(stage, `${named([index])} starts again`, () => {
    if (!stage.cluster.alive(index)) stage.cluster.restart(index);
  });
}

function disconnect(stage: Stage, indexes: readonly number[]): void {
  stage.tell(`disconnects ${named(indexes)}`);
  for (const index of indexes) stage.cluster.disconnect(index);
  later(stage, `${named(indexes)} reconnects`, () => {
    for (const index of indexes) stage.cluster.reconnect(index);
  });
}

function named(indexes: readonly number[]): string {
  return indexes.map((index) => `host-${index + 1}`).join(" ");
}

function later(stage: Stage, what: string, task: () => void): void {
  stage.cluster.time.after(stage.lastsMs * -Math.log(1 - stage.random.next()), () => {
    if (!stage.disturbing()) return;
    stage.tell(what);
    task();
  });
}
