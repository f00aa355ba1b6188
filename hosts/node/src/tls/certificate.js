// A server's certificate, as the contract tells of it.

import { createHash } from 'node:crypto';

export const sha256 = (bytes) => new Uint8Array(createHash('sha256').update(bytes).digest());

export const keyOf = (certificate) => certificate.publicKey.export({ type: 'spki', format: 'der' });

/**
 * The contract's `certificate`. Everything in it comes from the server.
 *
 * @param {import('node:crypto').X509Certificate} certificate
 */
export function describe(certificate) {
  return {
    sha256: sha256(certificate.raw),
    publicKeySha256: sha256(keyOf(certificate)),
    subject: distinguished(certificate.subject),
    issuer: distinguished(certificate.issuer),
    notBeforeMs: BigInt(Date.parse(certificate.validFrom)),
    notAfterMs: BigInt(Date.parse(certificate.validTo)),
    names: names(certificate.subjectAltName),
  };
}

/** RFC 4514 begins with the last part, Node.js with the first, each in a line. */
function distinguished(lines = '') {
  return lines.split('\n').reverse().join(',');
}

/** `DNS:a.example, IP Address:192.0.2.1` without what each is. */
function names(text = '') {
  return text
    .split(', ')
    .filter((name) => name !== '')
    .map((name) => name.replace(/^(DNS|IP Address|URI|email):/, ''));
}
