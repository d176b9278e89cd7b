// JSON that somebody else wrote: parsed without blocking the event loop.
import { ProviderUnavailable } from './provider-error.ts';

/** A megabyte of text is parsed at once; of brackets or of names it takes a hundred times as long. */
const DEEPEST = 64;
const MOST_MEMBERS = 10_000;

export function parseAnswer(text: string): unknown {
  if (isCostly(text)) throw new ProviderUnavailable('answer_too_complex');
  try {
    return JSON.parse(text);
  } catch {
    throw new ProviderUnavailable('answer_not_json');
  }
}

function isCostly(text: string): boolean {
  let depth = 0;
  let members = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (quoted) {
      if (code === 0x5c) at++;
      else if (code === 0x22) quoted = false;
    } else if (code === 0x22) quoted = true;
    else if (code === 0x5b || code === 0x7b) { if (++depth > DEEPEST) return true; }
    else if (code === 0x5d || code === 0x7d) depth--;
    else if (code === 0x2c && ++members > MOST_MEMBERS) return true;
  }
  return false;
}
