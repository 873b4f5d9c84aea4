import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'

/**
 * Runs `work` while no other process works on the folder. The lock is the operating system's, held through an open SQLite
 * file: it falls away by itself when its holder is killed, which a file with a pid in it does not (pids are used again).
 * Waits 60 s at most.
 */
export async function withFolderLock<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const lock = new DatabaseSync(join(folder, 'lock.sqlite'), { timeout: 0 })
  try {
    const deadline = performance.now() + 60_000
    for (;;) {
      try {
        lock.exec('begin exclusive')
        break
      } catch (error) {
        if (!/locked|busy/i.test(String(error))) throw error
        if (performance.now() > deadline)
          throw new Error(`another process has been at work on ${folder} for a minute: stop it, then try again`, { cause: error })
        await delay(50)
      }
    }
    return await work()
  } finally {
    lock.close()
  }
}
