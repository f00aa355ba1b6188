// `flow:connector/context`: this run, as the connector may know it.

/** From quiet to loud. */
const LEVELS = ['trace', 'debug', 'info', 'warn', 'error'];

/** A longer line is cut. */
const LONGEST_LINE = 4096;

/** @param {() => import('../call.js').Call} call the call that is under way */
export function context(call) {
  return {
    runId: () => call().runId,
    attempt: () => call().attempt,
    remainingMs: () => BigInt(call().remaining()),
    cancelled: () => call().isCancelled,
    logThreshold: () => call().logThreshold,

    log: (level, message) =>
      isKept(level, call().logThreshold) ? call().tell('log', level, message.slice(0, LONGEST_LINE)) : undefined,

    progress: (what, done, total) => call().tell('progress', what, done, total),
  };
}

/** Whether a line is as loud as the threshold, or louder. */
function isKept(level, threshold) {
  return LEVELS.indexOf(level) >= LEVELS.indexOf(threshold);
}
