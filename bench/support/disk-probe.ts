import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/**
 * The raw limit of a commit: eight kilobytes written and synced to the same disk, ten times a second beside the load, until asked. The longest says
 * whether the host's disk stood still, which no server on it can hide.
 */
export function probeDisk(folder: string): () => Promise<{ readonly p99Ms: number; readonly longestMs: number }> {
  const times: number[] = []
  let going = true
  const probing = (async () => {
    const path = join(folder, 'disk-probe')
    const file = await open(path, 'w')
    const page = Buffer.alloc(8192, 1)
    while (going) {
      const began = performance.now()
      await file.write(page, 0, page.length, 0)
      await file.datasync()
      times.push(performance.now() - began)
      await delay(100)
    }
    await file.close()
    await rm(path)
  })()
  return async () => {
    going = false
    await probing
    times.sort((a, b) => a - b)
    return { p99Ms: times[Math.floor(times.length * 0.99)] ?? 0, longestMs: times.at(-1) ?? 0 }
  }
}
