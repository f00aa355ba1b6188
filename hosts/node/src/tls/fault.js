// Why there is no TLS session, in the contract's words: OpenSSL's errors by what somebody has to change.

import { Err } from '../failure.js';

/** The contract's `tls.error`. */
export function fault(reason, message, certificate) {
  return new Err({ reason, message, certificate });
}

/** What OpenSSL says of a certificate chain (`SSL_get_verify_result`): the reason, the alert for the server, the words. */
const CHAIN = {
  CERT_HAS_EXPIRED: ['expired', 45, 'has expired'],
  CERT_NOT_YET_VALID: ['not-yet-valid', 45, 'is not valid yet'],
  DEPTH_ZERO_SELF_SIGNED_CERT: ['self-signed', 48, 'is signed by itself and not trusted'],
  SELF_SIGNED_CERT_IN_CHAIN: ['unknown-issuer', 48, 'comes from an authority that is not trusted'],
  UNABLE_TO_GET_ISSUER_CERT: ['unknown-issuer', 48, 'comes from an issuer that is not known'],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: ['unknown-issuer', 48, 'comes from an issuer that is not known'],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: ['unknown-issuer', 48, 'comes from an issuer that is not known'],
  CERT_REVOKED: ['revoked', 44, 'is revoked'],
};

/** The alert `bad_certificate` (RFC 8446, section 6.2). */
const BAD_CERTIFICATE = 42;

/** What is wrong with a chain of which OpenSSL gives this code. */
export function chainFault(code) {
  const [reason, alert, words] = CHAIN[code] ?? ['bad-certificate', BAD_CERTIFICATE, `cannot be accepted (${code})`];
  return { reason, alert, words };
}

export const WRONG_NAME = { reason: 'wrong-name', alert: BAD_CERTIFICATE };
export const NOT_PINNED = { reason: 'not-pinned', alert: BAD_CERTIFICATE };

const WANTED = 'wants a client certificate, and got none';

/** Alerts of the server, by the end of OpenSSL's name for them. */
const ALERTS = [
  [/ALERT_(CERTIFICATE_REQUIRED|NO_CERTIFICATE)$/, 'client-certificate', WANTED],
  [/ALERT_(BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_\w+|UNKNOWN_CA|ACCESS_DENIED)$/, 'client-certificate', 'does not accept the client certificate'],
  [/ALERT_(PROTOCOL_VERSION|INSUFFICIENT_SECURITY|HANDSHAKE_FAILURE)$/, 'no-common-version', 'offers no TLS version and cipher that this host accepts'],
  [/(UNSUPPORTED_PROTOCOL|WRONG_SSL_VERSION|VERSION_TOO_LOW|NO_PROTOCOLS_AVAILABLE|NO_SHARED_CIPHER)$/, 'no-common-version', 'offers no TLS version and cipher that this host accepts'],
  [/(BAD_SIGNATURE|CERTIFICATE_VERIFY_FAILED|WRONG_CERTIFICATE_TYPE|NO_CERTIFICATE_SET|BAD_KEY_USAGE)$/, 'bad-certificate', 'shows a certificate that cannot be accepted'],
];

/**
 * What OpenSSL's error means.
 *
 * @param {{code?: string, message: string}} error
 * @param {object} seen
 * @param {string} seen.name the server's
 * @param {Uint8Array} seen.first what the server sent first
 * @param {boolean} seen.anonymous whether the server has shown its certificate, and got none
 */
export function openSslFault(error, { name, first, anonymous }) {
  if (!beginsRecord(first)) {
    const [line] = Buffer.from(first).toString('latin1').split(/[^ -~]/, 1);
    const clear = line.length > 2 ? `: it sent clear text, ${JSON.stringify(line.slice(0, 80))}` : '';
    return fault('not-tls', `${name} does not speak TLS where it is expected${clear}`);
  }
  const code = error.code ?? '';
  if (anonymous && code.endsWith('ALERT_HANDSHAKE_FAILURE')) {
    // In TLS 1.2 there is no other word for it. Without a cipher in common there would be no certificate of the server.
    return fault('client-certificate', `${name} ${WANTED} (${code})`);
  }
  const [, reason, words] = ALERTS.find(([pattern]) => pattern.test(code)) ?? [, 'protocol', 'broke TLS off, or broke its rules'];
  return fault(reason, `${name} ${words} (${code || error.message})`);
}

/** Whether the server itself has ended the session, so that there is nothing to tell it. */
export const isAlert = ({ code }) => /_ALERT_/.test(code ?? '');

/** Whether bytes begin like a TLS record (RFC 8446, section 5.1). */
function beginsRecord([type, version]) {
  return (type === undefined || (type >= 20 && type <= 24)) && (version === undefined || version === 3);
}
