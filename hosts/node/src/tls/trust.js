// Whom to believe that a server is who it says, and what its certificate is judged by.

import { X509Certificate } from 'node:crypto';
import net from 'node:net';
import { describe, keyOf, sha256 } from './certificate.js';
import { chainFault, fault, NOT_PINNED, WRONG_NAME } from './fault.js';

const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * Checks what trust asks for, at once and not when it is used.
 *
 * @param {{tag: string, val?: any}} trust the contract's `trust`
 * @param {boolean} insecureAllowed
 * @returns {{ca?: string[], judge: Judge}}
 * @throws {import('../failure.js').Err} `invalid`, `denied`
 *
 * @typedef {(seen: {certificate: X509Certificate, chain?: string, name: string}) => undefined |
 *   {reason: string, alert: number, message: string}} Judge what is wrong with a certificate; `chain` is OpenSSL's code for it
 */
export function trustOf(trust, insecureAllowed) {
  switch (trust.tag) {
    case 'host-default': return { judge: judgeChainAndName };
    case 'roots': return { ca: certificates(trust.val), judge: judgeChainAndName };
    case 'pinned': return { judge: judgePins(trust.val) };
    default:
      if (!insecureAllowed) {
        throw fault('denied', "this host's policy does not allow servers that prove nothing");
      }
      return { judge: () => undefined };
  }
}

function certificates(text) {
  const found = text.match(PEM) ?? [];
  try {
    found.forEach((pem) => new X509Certificate(pem));
  } catch (error) {
    throw fault('invalid', `a root is no certificate: ${error.message}`);
  }
  if (found.length === 0) {
    throw fault('invalid', 'the roots are no PEM: there is no BEGIN CERTIFICATE in them');
  }
  return found;
}

/** Issuer and time, as OpenSSL found them, and the name. */
function judgeChainAndName({ certificate, chain, name }) {
  if (chain !== undefined) {
    const { reason, alert, words } = chainFault(chain);
    const { validFrom, validTo } = certificate;
    return { reason, alert, message: `the certificate of ${name} ${words} (it is valid from ${validFrom} to ${validTo})` };
  }
  const fits = net.isIP(name) ? certificate.checkIP(name) : certificate.checkHost(name, { subject: 'never' });
  if (fits === undefined) {
    const names = describe(certificate).names.join(', ') || 'no name';
    return { ...WRONG_NAME, message: `the certificate is for ${names}, and not for ${name}` };
  }
  return undefined;
}

/** One of the hashes has to be that of the certificate or of its key. Nothing else is looked at. */
function judgePins(pins) {
  if (pins.length === 0 || pins.some((pin) => pin.length !== 32)) {
    throw fault('invalid', 'a pinned hash has 32 bytes (SHA-256), and there has to be one');
  }
  const known = pins.map(hex);
  return ({ certificate, name }) => {
    const seen = [sha256(certificate.raw), sha256(keyOf(certificate))].map(hex);
    if (seen.some((hash) => known.includes(hash))) {
      return undefined;
    }
    return { ...NOT_PINNED, message: `the certificate of ${name} has none of the pinned hashes: it is sha256:${seen[0]}` };
  };
}

const hex = (bytes) => Buffer.from(bytes).toString('hex');
