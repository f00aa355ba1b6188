import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accept, camel } from '../src/component/accept.js';
import { Refused } from '../src/failure.js';
import { provides } from '../src/imports/index.js';
import { minimal } from './components.js';

const refusal = (...words) => (error) => {
  assert.ok(error instanceof Refused, error.stack);
  for (const word of words) {
    assert.ok(error.message.includes(word), `${error.message} does not say ${word}`);
  }
  return true;
};

const refuses = async (replacements, ...words) => {
  const bytes = await minimal(replacements);
  assert.throws(() => accept(bytes, provides), refusal(...words));
};

test('an endpoint is found by its type', async () => {
  const { endpoints, connector } = accept(await minimal(), provides);
  assert.deepEqual([...endpoints], [['nothing', 'test:minimal/endpoints@0.1.0']]);
  assert.equal(connector, 'flow:connector/connector@0.1.1');
});

test('other versions 0.1.x are taken', async () => {
  for (const version of ['@0.1.0', '@0.1.7']) {
    const { endpoints } = accept(await minimal([['@0.1.1', version]]), provides);
    assert.deepEqual([...endpoints.keys()], ['nothing']);
  }
});

test('another version of the contract is refused by its name', () =>
  refuses([['flow:connector/context@0.1.1', 'flow:connector/context@0.2.0']], 'flow:connector/context@0.2.0'));

test('a function that this host does not have is refused by its name', () =>
  refuses(
    [['(; more of the context ;)', '(export "weather" (func (result string)))']],
    'flow:connector/context@0.1.1', 'weather',
  ));

test('an interface that this host does not have is refused by its name', async () => {
  const imported = (name, functions) => [['(; more imports ;)', `(import "${name}" (instance ${functions}))`]];
  await refuses(imported('wasi:http/types@0.2.6', '(export "now" (func))'), 'wasi:http/types@0.2.6');
  await refuses(imported('wasi:io/poll@0.3.0', ''), 'wasi:io/poll@0.3.0');
});

test('a function of another type is refused', () =>
  refuses(
    [['(export "log" (func (param "level" $level) (param "message" string)))', '(export "log" (func (param "level" $level)))'],
      ['(canon lower (func $context "log") (memory $m))', '(canon lower (func $context "log"))'],
      ['(import "host" "log" (func $log (param i32 i32 i32)))', '(import "host" "log" (func $log (param i32)))']],
    'log', 'the contract says',
  ));

test('a component without connector or endpoint is refused', async () => {
  await refuses([['(export "flow:connector/connector@0.1.1" (instance $connector))', '']], 'no connector');
  await refuses([['(result (result $summary (error $error)))\n    (canon lift (core func $main "nothing")', '(result (result $summary (error string)))\n    (canon lift (core func $main "nothing")']], 'no endpoint');
});

test('what is no component is refused', () => {
  assert.throws(() => accept(Buffer.from('hello'), provides), refusal('not WebAssembly'));
  assert.throws(() => accept(Buffer.from('\0asm\x01\0\0\0'), provides), refusal('core WebAssembly module'));
  assert.throws(() => accept(Buffer.from('\0asm\x0d\0\x01\0\x07\x05\x01'), provides), refusal('ends in the middle'));
});

test('any part of a component alone is refused, and never worse', async () => {
  const bytes = await minimal();
  for (let length = 8; length < bytes.length; length += 1) {
    try {
      accept(bytes.subarray(0, length), provides);
    } catch (error) {
      assert.ok(error instanceof Refused, error.stack);
    }
  }
});

test('names are written as jco writes them', () => {
  assert.equal(camel('start-bind'), 'startBind');
  assert.equal(camel('tcp-socket', true), 'TcpSocket');
});
