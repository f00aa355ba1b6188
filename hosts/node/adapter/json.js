// The contract's values as the conformance protocol writes them in JSON, and as jco has them in JavaScript.
//
// | WIT | JSON | JavaScript |
// |---|---|---|
// | `content-type` | `content_type` | `contentType` |
// | `option` | `null` | `undefined` |
// | `u64` | a number | a BigInt |
// | `variant` | `"never"`, `{"after-ms": 500}` | `{tag: 'never'}`, `{tag: 'after-ms', val: 500n}` |

import { randomUUID } from 'node:crypto';

// Numbers of 64 bits are exact here, which JSON of Node.js cannot have: they cross it as texts with a mark that nobody else
// knows.
const MARK = randomUUID();

/** The text of a line. */
export function stringify(line) {
  const text = JSON.stringify(line, (_name, value) => (typeof value === 'bigint' ? `${MARK}${value}` : value));
  return text.replaceAll(new RegExp(`"${MARK}(-?\\d+)"`, 'g'), '$1');
}

/** A line of such a text. Numbers of more digits than a number of JavaScript has become BigInts. */
export function parse(text) {
  const marked = text.replaceAll(/"(?:[^"\\]|\\.)*"|\d{16,}/g, (part) => (part.startsWith('"') ? part : `"${MARK}${part}"`));
  return JSON.parse(marked, (_name, value) =>
    typeof value === 'string' && value.startsWith(MARK) ? BigInt(value.slice(MARK.length)) : value);
}

/** A value that needs no eye on its fields: numbers and names alone. */
export function toJson(value) {
  if (typeof value !== 'object' || value === null) {
    return value ?? null;
  }
  if (Array.isArray(value)) {
    return value.map(toJson);
  }
  const fields = Object.entries(value).map(([name, field]) => [snake(name), toJson(field)]);
  return Object.fromEntries(fields);
}

const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

export const errorToJson = (error) => ({ ...toJson(error), retry: variantToJson(error.retry) });

const variantToJson = ({ tag, val }) => (val === undefined ? tag : { [tag]: toJson(val) });

export function errorFromJson({ kind, message, code, retry = 'never', effect = 'none', details }) {
  const afterMs = retry['after-ms'];
  return {
    kind,
    message,
    code: code ?? undefined,
    retry: afterMs === undefined ? { tag: retry } : { tag: 'after-ms', val: BigInt(afterMs) },
    effect,
    details: details ?? undefined,
  };
}

export function metadataFromJson({ id, version, name, content_type: contentType, size, modified_ms: modifiedMs, attributes }) {
  return {
    id,
    version: version ?? undefined,
    name: name ?? undefined,
    contentType: contentType ?? undefined,
    size: big(size),
    modifiedMs: big(modifiedMs),
    attributes: attributes ?? [],
  };
}

const big = (number) => (number === null || number === undefined ? undefined : BigInt(number));

export function outcomeToJson({ tag, val }) {
  switch (tag) {
    case 'pass': return { pass: toJson(val) };
    case 'fail': return { fail: errorToJson(val) };
    default: return tag;
  }
}
