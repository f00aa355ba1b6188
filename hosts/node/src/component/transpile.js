// From a component to JavaScript, with jco.

import { createHash } from 'node:crypto';
import { $init, generate } from '@bytecodealliance/jco-transpile/component';
import { Refused } from '../failure.js';

/** What was made, by the component's SHA-256: a process that loads a component twice does the work once. */
const made = new Map();

/**
 * @param {Uint8Array} bytes
 * @returns {Promise<{source: Uint8Array, modules: Record<string, WebAssembly.Module>}>} the code around the component's core
 *   modules, and these, compiled
 * @throws {Refused}
 */
export function transpile(bytes) {
  const digest = createHash('sha256').update(bytes).digest('hex');
  if (!made.has(digest)) {
    const making = make(bytes);
    made.set(digest, making);
    making.catch(() => made.delete(digest));
  }
  return made.get(digest);
}

async function make(bytes) {
  await $init;
  let files;
  try {
    ({ files } = generate(bytes, {
      name: 'connector',
      noTypescript: true,
      // The code is not to look for anything by itself: this host hands in modules and imports.
      instantiation: { tag: 'async' },
      base64Cutoff: 0,
      noNodejsCompat: true,
    }));
  } catch (error) {
    throw new Refused(`the file is no WebAssembly component that jco can read: ${error.payload ?? error.message}`);
  }
  const modules = {};
  let source;
  for (const [name, content] of files) {
    if (name.endsWith('.js')) {
      source = content;
    } else {
      modules[name] = await compile(content);
    }
  }
  return { source, modules };
}

async function compile(content) {
  try {
    return await WebAssembly.compile(content);
  } catch (error) {
    throw new Refused(`a core module of the component cannot be compiled: ${error.message}`);
  }
}
