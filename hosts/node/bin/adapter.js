#!/usr/bin/env node
// The adapter for the conformance suite: one JSON object a line, requests and answers on standard input and output.
// The protocol is in `docs/conformance.md`.

import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { ConnectorFailed, Failure } from '../src/index.js';
import { errorToJson, parse, stringify } from '../adapter/json.js';
import { left, Requests } from '../adapter/requests.js';
import { Suite } from '../adapter/suite.js';

const { name, version } = JSON.parse(await readFile(new URL('../package.json', import.meta.url)));
const send = (line) => process.stdout.write(`${stringify(line)}\n`);
const suite = new Suite(send);
const requests = new Requests(suite, { name, version });

async function answer(request) {
  try {
    send({ id: request.id, ok: await requests.perform(request) });
  } catch (error) {
    send({ id: request.id, failed: failed(error), ...(error.unsettled && { unsettled: left(error.unsettled) }) });
  }
}

function failed(error) {
  if (!(error instanceof Failure)) {
    return { kind: 'host', message: error.stack };
  }
  const { kind, message } = error;
  return error instanceof ConnectorFailed ? { kind, message, error: errorToJson(error.error) } : { kind, message };
}

for await (const text of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  const line = parse(text);
  if ('do' in line) {
    answer(line); // Calls go on side by side.
  } else {
    suite.hear(line);
  }
}
requests.close();
