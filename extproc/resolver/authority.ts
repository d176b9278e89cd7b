// The host and port that a request is for, read once: what comes out here is checked, looked up, dialled and sent as SNI.
// Strict on purpose. Every second spelling of an address (127.1, 0x7f.0.0.1, 2130706433) is one that some other reader takes for a name.
import { isIPv4 } from 'node:net';
import { domainToASCII } from 'node:url';
import ipaddr from 'ipaddr.js';
import { parseAddress } from './address-class.ts';

/** Why an :authority is no host and port. Stable: part of the log and of the tests. */
export type AuthorityProblem = 'empty' | 'too_long' | 'control_character' | 'forbidden_character' | 'percent' | 'userinfo' | 'port' | 'label' | 'idn' | 'ipv4_spelling' | 'ipv6';

export interface Host {
  /** Lower case, no dot at the end, punycode; an IPv6 address as RFC 5952 writes it, without brackets. */
  readonly host: string;
  readonly kind: 'name' | 'ipv4' | 'ipv6';
  readonly port: number;
  /** What upstream gets as :authority: the host, and the port if the client gave one. */
  readonly authority: string;
  /** The client wrote it just so. Only such a spelling may be remembered beside Envoy, where nothing rewrites it. */
  readonly canonical: boolean;
}

export type Authority = { readonly kind: 'host'; readonly host: Host } | { readonly kind: 'bad'; readonly problem: AuthorityProblem };

// 253 of the name, 1 for the dot at its end, 6 for the port. Letters beyond ASCII only get longer on the way to punycode.
const MAX_LENGTH = 260;
const LABEL = /^[a-z0-9_-]{1,63}$/;
const LOOKS_LIKE_A_NUMBER = /^([0-9]+|0x[0-9a-f]*)$/;

const bad = (problem: AuthorityProblem): Authority => ({ kind: 'bad', problem });

/** `defaultPort`: where the host is when the request does not say. */
export function parseAuthority(text: string, defaultPort: number): Authority {
  if (text === '') return bad('empty');
  if (text.length > MAX_LENGTH) return bad('too_long');
  if (/[\x00-\x1f\x7f]/.test(text)) return bad('control_character');
  if (text.includes('%')) return bad('percent');
  if (text.includes('@')) return bad('userinfo');
  if (/[ /\\?#<>^`{|}"'!$&()*+,;=~]/.test(text)) return bad('forbidden_character');

  const [, hostText, portText] = /^(\[[^[\]]*\]|[^[\]:]*)(?::(.*))?$/s.exec(text) ?? [];
  if (hostText === undefined) return bad(/[[\]]/.test(text) ? 'ipv6' : 'port');
  if (portText !== undefined && !/^[1-9][0-9]{0,4}$/.test(portText)) return bad('port');
  const port = portText === undefined ? defaultPort : Number(portText);
  if (port > 65_535) return bad('port');

  const read = hostText.startsWith('[') ? readIPv6(hostText.slice(1, -1)) : readName(hostText);
  if (typeof read === 'string') return bad(read);
  const bracketed = read.kind === 'ipv6' ? `[${read.host}]` : read.host;
  const authority = portText === undefined ? bracketed : `${bracketed}:${portText}`;
  return { kind: 'host', host: { ...read, port, authority, canonical: authority === text } };
}

type Read = Pick<Host, 'host' | 'kind'>;

function readIPv6(text: string): Read | AuthorityProblem {
  // Zone ids went with the percent sign; an address of the future ("v1.x") is none that we know.
  const address = parseAddress(text);
  return address instanceof ipaddr.IPv6 ? { kind: 'ipv6', host: address.toRFC5952String() } : 'ipv6';
}

function readName(text: string): Read | AuthorityProblem {
  if (text === '') return 'empty';
  // Letters beyond ASCII first: full-width digits and dots become plain ones, and must not slip past what follows.
  const ascii = /^[\x20-\x7e]*$/.test(text) ? text.toLowerCase() : domainToASCII(text);
  if (ascii === '') return 'idn';
  const name = ascii.endsWith('.') ? ascii.slice(0, -1) : ascii;
  if (name.length > 253) return 'too_long';
  const labels = name.split('.');
  if (!labels.every((label) => LABEL.test(label))) return 'label';
  // WHATWG URL, "ends in a number": such a host is an IPv4 address or nothing.
  if (!LOOKS_LIKE_A_NUMBER.test(labels.at(-1) ?? '')) return { kind: 'name', host: name };
  return isIPv4(text) ? { kind: 'ipv4', host: text } : 'ipv4_spelling';
}
