// `wasi:random`: numbers that nobody can guess.

import { randomBytes } from 'node:crypto';

/** More than this at once nobody needs, and it would be memory of the host's. */
const MOST = 1n << 20n;

function bytes(length) {
  if (length > MOST) {
    throw new Error(`the connector asks for ${length} random bytes at once, and may ask for ${MOST}`);
  }
  return new Uint8Array(randomBytes(Number(length)));
}

const number = () => randomBytes(8).readBigUInt64LE();

export const random = { getRandomBytes: bytes, getRandomU64: number };
export const insecure = { getInsecureRandomBytes: bytes, getInsecureRandomU64: number };
export const insecureSeed = { insecureSeed: () => [number(), number()] };
