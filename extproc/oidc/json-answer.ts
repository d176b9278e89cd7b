// JSON that somebody else wrote: parsed without blocking the event loop.
import { ProviderUnavailable } from './provider-error.ts';

/** What V8 parses in a few milliseconds is bounded by depth, too: a megabyte of brackets takes it a hundred. */
const DEEPEST = 64;

export function parseAnswer(text: string): unknown {
  if (isDeep(text)) throw new ProviderUnavailable('answer_too_deep');
  try {
    return JSON.parse(text);
  } catch {
    throw new ProviderUnavailable('answer_not_json');
  }
}

function isDeep(text: string): boolean {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (quoted) {
      if (code === 0x5c) at++;
      else if (code === 0x22) quoted = false;
    } else if (code === 0x22) quoted = true;
    else if (code === 0x5b || code === 0x7b) { if (++depth > DEEPEST) return true; }
    else if (code === 0x5d || code === 0x7d) depth--;
  }
  return false;
}
