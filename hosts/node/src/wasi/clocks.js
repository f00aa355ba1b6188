// `wasi:clocks`: the time, and timers.

import { Pollable, Signal } from './poll.js';

/** The longest that a timer of Node.js runs, in milliseconds. */
const LONGEST = 2 ** 31 - 1;

const NANOSECONDS = 1_000_000n;

const now = () => process.hrtime.bigint();

/** A moment that comes, as something to wait for. */
class Timer {
  signal = new Signal();
  #when;
  #timeout;

  constructor(when) {
    this.#when = when;
    this.#arm();
  }

  isReady() {
    return now() >= this.#when;
  }

  #arm() {
    const left = this.#when - now();
    // Timers come a little early at times, and then have to run a little longer.
    const wait = left > BigInt(LONGEST) * NANOSECONDS ? LONGEST : Math.max(0, Number(left / NANOSECONDS) + 1);
    this.#timeout = setTimeout(() => (this.isReady() ? this.signal.fire() : this.#arm()), wait);
  }

  release() {
    clearTimeout(this.#timeout);
  }
}

export const monotonicClock = {
  now,
  resolution: () => 1n,
  subscribeInstant: (when) => new Pollable(new Timer(when)),
  subscribeDuration: (duration) => new Pollable(new Timer(now() + duration)),
};

const datetime = (milliseconds) => ({
  seconds: BigInt(Math.floor(milliseconds / 1000)),
  nanoseconds: (milliseconds % 1000) * 1_000_000,
});

export const wallClock = {
  now: () => datetime(Date.now()),
  resolution: () => datetime(1),
};
