// Addresses as WASI has them, and as Node.js writes them.

import net from 'node:net';

/** `{tag: 'ipv4', val: [127, 0, 0, 1]}` is `127.0.0.1`. */
export function addressText({ tag, val }) {
  return tag === 'ipv4' ? val.join('.') : val.map((word) => word.toString(16)).join(':');
}

export function socketAddressText({ tag, val }) {
  return { address: addressText({ tag, val: val.address }), port: val.port };
}

export function toAddress(text) {
  return net.isIPv4(text) ? { tag: 'ipv4', val: text.split('.').map(Number) } : { tag: 'ipv6', val: words(text) };
}

export function toSocketAddress(text, port) {
  const { tag, val } = toAddress(text);
  return tag === 'ipv4'
    ? { tag, val: { port, address: val } }
    : { tag, val: { port, flowInfo: 0, address: val, scopeId: 0 } };
}

/** One text for each address: IPv6 has many. */
export function canonical(text) {
  return net.isIPv6(text) ? words(text).map((word) => word.toString(16)).join(':') : text;
}

/** The eight numbers of an IPv6 address. */
function words(text) {
  // Only the browsers' URL knows the short forms, and writes the last four bytes of `::1.2.3.4` as words, too.
  const short = new URL(`http://[${text.split('%')[0]}]`).hostname.slice(1, -1);
  const [front, back] = short.split('::').map((part) => (part === '' ? [] : part.split(':')));
  const zeroes = back === undefined ? [] : Array(8 - front.length - back.length).fill('0');
  return [...front, ...zeroes, ...(back ?? [])].map((word) => parseInt(word, 16));
}
