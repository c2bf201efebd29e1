// @ts-check
/**
 * Follows the stream of the host and shows what it tells. The stream is read by `fetch` and not by an
 * `EventSource`, which could not send a token.
 *
 * @typedef {import("../report.ts").Report} Report
 */

import { counts, forgetTimeline, hosts, timeline, verdict } from "./tables.js";
import { remember, tiles } from "./tiles.js";
import { clockTime, say, the, tune } from "./words.js";

const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 10_000;
/** A stream that says nothing for so long is dead, whatever the connection says. */
const SILENCE_MS = 15_000;
/** More than any message of ours. */
const MOST_CHARACTERS = 4_000_000;
const TOKEN_KEY = "tidemark-token";

let pause = FIRST_RETRY_MS;

/** @param {Report} report */
function show(report) {
  remember(report);
  say("node", report.node);
  say("namespace", report.namespace);
  say("incarnation", report.incarnation);
  say("digest", report.digest);
  document.title = `${report.findings[0]?.tone === "good" ? "" : "▲ "}${report.node} · ${report.namespace} · Tidemark`;
  verdict(report);
  tiles(report);
  hosts(report);
  counts(report);
  live(report.clock);
}

/** @param {number} clock */
function live(clock) {
  the("title").hidden = false;
  the("main").hidden = false;
  delete the("main").dataset.stale;
  tune("link", "good");
  say("link-text", `live, ${clockTime(clock)}`);
}

/** @param {string} why */
function lost(why) {
  the("main").dataset.stale = "";
  tune("link", "warn");
  say("link-text", why);
}

/** @param {string} event @param {string} data */
function heard(event, data) {
  if (event === "report") show(JSON.parse(data));
  else if (event === "timeline") timeline(JSON.parse(data));
  else if (event === "failed") lost(`the host cannot tell its status: ${JSON.parse(data).error}`);
}

/** Reads one stream to its end, or asks for a token; answers which. Throws when the stream breaks. */
async function follow() {
  const token = sessionStorage.getItem(TOKEN_KEY);
  const given = new AbortController();
  let watchdog = setTimeout(() => given.abort(), SILENCE_MS);
  try {
    const answer = await fetch("events", {
      headers: token === null ? {} : { authorization: `Bearer ${token}` },
      cache: "no-store",
      signal: given.signal,
    });
    if (answer.status === 401) return await askForToken(token);
    if (!answer.ok || answer.body === null) throw new Error((await answer.json()).error);
    forgetTimeline();
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return "ended";
      clearTimeout(watchdog);
      watchdog = setTimeout(() => given.abort(), SILENCE_MS);
      const messages = (rest + value).split("\n\n");
      rest = messages.pop() ?? "";
      if (rest.length > MOST_CHARACTERS) throw new Error("the stream makes no sense");
      for (const message of messages) {
        const [, event, data] = /^event: (.*)\ndata: (.*)$/.exec(message) ?? [];
        if (event === undefined || data === undefined) continue;
        heard(event, data);
        pause = FIRST_RETRY_MS;
      }
    }
  } finally {
    clearTimeout(watchdog);
    given.abort();
  }
}

/** Settles when a token was given; a wrong one is asked for again. @param {string | null} wrong @returns {Promise<"asked">} */
function askForToken(wrong) {
  sessionStorage.removeItem(TOKEN_KEY);
  tune("link", "wait");
  say("link-text", "waiting for the token");
  say("login-error", wrong === null ? "" : "That is not the token of this host.");
  the("main").hidden = true;
  the("login").hidden = false;
  the("token").focus();
  return new Promise((resolve) => {
    the("login").onsubmit = (submitted) => {
      submitted.preventDefault();
      const field = /** @type {HTMLInputElement} */ (the("token"));
      // A header takes nothing else; what is left out here could not be a token.
      sessionStorage.setItem(TOKEN_KEY, field.value.replace(/[^\x21-\x7e]/g, ""));
      field.value = "";
      the("login").hidden = true;
      resolve("asked");
    };
  });
}

async function followForever() {
  for (;;) {
    let why = "the host ended the stream";
    try {
      if ((await follow()) === "asked") continue;
    } catch (error) {
      // Only what we threw says more than that.
      why = error instanceof Error && error.name === "Error" ? error.message : "the host does not answer";
    }
    lost(`${why}; trying again`);
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = Math.min(LAST_RETRY_MS, pause * 2);
  }
}

followForever();
