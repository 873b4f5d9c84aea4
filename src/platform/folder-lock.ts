import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'

/**
 * Takes the lock of a folder, or gives undefined when another process, or another holder in this one, has it. The lock is the
 * operating system's, held through an open SQLite file: it falls away by itself when its holder is killed, which a file with a pid in
 * it does not (pids are used again).
 */
export function tryFolderLock(folder: string): { release(): void } | undefined {
  const lock = new DatabaseSync(join(folder, 'lock.sqlite'), { timeout: 0 })
  try {
    lock.exec('begin exclusive')
    return { release: () => lock.close() }
  } catch (error) {
    lock.close()
    if (!/locked|busy/i.test(String(error))) throw error
    return undefined
  }
}

/** Runs `work` while no other process works on the folder. Waits 60 s at most. */
export async function withFolderLock<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + 60_000
  for (;;) {
    const lock = tryFolderLock(folder)
    if (lock !== undefined) {
      try {
        return await work()
      } finally {
        lock.release()
      }
    }
    if (performance.now() > deadline) throw new Error(`another process has been at work on ${folder} for a minute: stop it, then try again`)
    await delay(50)
  }
}
