// What the guest said, bounded so that a million requests do not fill the test's memory.
import { type LogLevel, logLevels } from './abi.ts';

export interface LogEntry {
  readonly level: LogLevel;
  readonly message: string;
}

/** How many entries are kept; the oldest go first. */
const LIMIT = 10_000;

/** Entries in the order they were written. Entries below `level` are dropped, as Envoy's log level does. */
export class Logs {
  readonly entries: LogEntry[] = [];
  /** The number of the lowest level kept: 0 keeps trace. */
  readonly threshold: number;

  constructor(level: LogLevel) {
    this.threshold = logLevels.indexOf(level);
  }

  write(level: number, message: string): void {
    if (level < this.threshold) return;
    if (this.entries.length >= LIMIT * 2) this.entries.splice(0, LIMIT);
    this.entries.push({ level: logLevels[level] ?? 'critical', message });
  }
}
