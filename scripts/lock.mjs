// One process at a time: two builds in one folder overwrite each other's objects and Ninja's records.
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';

const LOOK_MS = 200;
const WRITING_MS = 5000;   // an empty lock this old was left by a process that died while it made it

/** Runs `body` while `file` names this process; waits, after one call of `onWait`, while it names another one that lives. */
export function withLock(file, body, onWait = () => {}) {
  for (let waited = false; !take(file); waited = true) {
    if (!waited) onWait(holder(file));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOOK_MS);
  }
  try {
    return body();
  } finally {
    rmSync(file, { force: true });
  }
}

function take(file) {
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    if (!isHeld(file)) rmSync(file, { force: true });
    return false;
  }
}

function isHeld(file) {
  const pid = holder(file);
  if (pid === undefined) return Date.now() - (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0) < WRITING_MS;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code !== 'ESRCH';
  }
}

function holder(file) {
  try {
    const pid = Number(readFileSync(file, 'utf8'));
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}
