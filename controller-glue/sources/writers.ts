// Is somebody still writing a file? Linux tells by /proc; elsewhere, and for processes of others, we cannot know.
import { readFileSync, readdirSync, readlinkSync, realpathSync } from 'node:fs';

/** Whether a process that we may look at has the file open for writing. */
export function hasWriter(path: string): boolean {
  const real = existing(path);
  for (const pid of list('/proc').filter((name) => /^\d+$/.test(name))) {
    for (const fd of list(`/proc/${pid}/fd`)) {
      try {
        if (readlinkSync(`/proc/${pid}/fd/${fd}`) !== real) continue;
        // open(2) flags in octal; the last two bits are the access mode, 0 is read-only.
        const flags = /^flags:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8'))?.[1] ?? '0';
        if ((Number.parseInt(flags, 8) & 3) !== 0) return true;
      } catch { /* the process or the descriptor is gone, or not ours to see */ }
    }
  }
  return false;
}

/** Where links lead; the path itself when nothing is there. */
function existing(path: string): string {
  try { return realpathSync(path); } catch { return path; }
}
function list(folder: string): string[] {
  try { return readdirSync(folder); } catch { return []; }
}
