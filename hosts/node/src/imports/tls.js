// `flow:connector/tls`: client TLS that the host holds, so that no connector sees a key.

import { contextClass } from '../tls/context.js';
import { Session } from '../tls/session.js';

/** @param {import('../policy.js').Policy} policy */
export function tls(policy) {
  return { Context: contextClass(policy), Session };
}
