import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { CONNECTOR, IMPORTS, VERSION } from '../src/component/contract.js';
import { readComponent } from '../src/component/types.js';
import { componentEmbed, componentNew } from '@bytecodealliance/jco-transpile/wasm-tools';

const WIT = new URL('../../../wit/', import.meta.url);

/** The interfaces and worlds of a package, without the lines that name it. */
async function contents(folder) {
  const files = (await readdir(new URL(folder, WIT))).filter((name) => name.endsWith('.wit'));
  const texts = await Promise.all(files.map((name) => readFile(new URL(folder + name, WIT), 'utf8')));
  return texts.join('\n').replaceAll(/^package .*;$/gm, '');
}

/** A component that imports and exports all of the contract: an empty one, made from `wit/`. */
async function everything() {
  const witSource = `package flow:connector@${VERSION};
    ${await contents('connector/')}
    package wasi:io@0.2.6 { ${await contents('deps/io/')} }`;
  return componentNew(await componentEmbed({ witSource, worldName: 'connector-base', dummy: true }), []);
}

const functions = ({ exports }) =>
  Object.fromEntries([...exports].filter(([, { kind }]) => kind === 'func').map(([name, { type }]) => [name, type]));

test('contract.js says what wit/ says', async () => {
  const { imports, exports } = readComponent(await everything());
  for (const name of ['context', 'exchange', 'tls']) {
    assert.deepEqual(functions(imports.get(`flow:connector/${name}@${VERSION}`)), IMPORTS[name]);
  }
  assert.deepEqual(functions(exports.get(`flow:connector/connector@${VERSION}`)), CONNECTOR);
});
