// Components for tests: the conformance suite's smallest connector, with texts of it replaced.

import { readFile } from 'node:fs/promises';
import { parse } from '@bytecodealliance/jco-transpile/wasm-tools';

const MINIMAL = new URL('../../../tests/conformance/components/minimal.wat', import.meta.url);

/**
 * The smallest connector, which has one endpoint `nothing`.
 *
 * @param {[string, string][]} [replacements] each has to be found
 */
export async function minimal(replacements = []) {
  let text = await readFile(MINIMAL, 'utf8');
  for (const [from, to] of replacements) {
    if (!text.includes(from)) {
      throw new Error(`${MINIMAL.pathname} has no ${JSON.stringify(from)}`);
    }
    text = text.replaceAll(from, to);
  }
  return parse(text);
}
