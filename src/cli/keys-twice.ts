import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const parts = 128
interface Part {
  readonly pairs: Float64Array
  used: number
  written: boolean
}
/** Pairs of a part that wait in memory: 4 MB in all parts. */
const waitingMost = 2_048

/**
 * Which lines have a key that an earlier line has, for files with more keys than memory holds (a Set ends at 16.7 million). Keys go into temporary
 * files by their hash, 16 bytes each, and each of those is looked through by itself. In memory stay one part, and the lines that are found.
 */
export class KeysTwice {
  readonly #folder: string
  readonly #parts = Array.from({ length: parts }, (): Part => ({ pairs: new Float64Array(waitingMost * 2), used: 0, written: false }))

  private constructor(folder: string) {
    this.#folder = folder
  }

  /** In the system's folder for temporary files (TMPDIR). */
  static async open(): Promise<KeysTwice> {
    return new KeysTwice(await mkdtemp(join(tmpdir(), 'throughline-keys-')))
  }

  /** Keys are whole numbers to 2^53; lines come in rising order. */
  async add(key: number, line: number): Promise<void> {
    // Keys that rise in steps must not all fall into one part.
    const nth = Math.imul(key ^ Math.floor(key / 2 ** 32), 0x9e3779b1) >>> 25
    const part = this.#parts[nth] as Part
    part.pairs[part.used] = key
    part.pairs[part.used + 1] = line
    part.used += 2
    if (part.used < part.pairs.length) return
    await appendFile(this.#path(nth), new Uint8Array(part.pairs.buffer))
    part.used = 0
    part.written = true
  }

  /** Lines whose key an earlier line has. */
  async later(): Promise<Set<number>> {
    const found = new Set<number>()
    for (const [nth, { pairs, used, written }] of this.#parts.entries()) {
      const file = written ? await readFile(this.#path(nth)) : Buffer.alloc(0)
      const all = new Float64Array(file.length / 8 + used)
      new Uint8Array(all.buffer).set(file)
      all.set(pairs.subarray(0, used), file.length / 8)
      const keys = all.filter((_, index) => index % 2 === 0).toSorted()
      const first = new Map<number, boolean>()
      for (let index = 1; index < keys.length; index += 1) if (keys[index] === keys[index - 1]) first.set(keys[index] as number, true)
      if (first.size === 0) continue
      for (let index = 0; index < all.length; index += 2) {
        const key = all[index] as number
        const isFirst = first.get(key)
        if (isFirst === true) first.set(key, false)
        else if (isFirst === false) found.add(all[index + 1] as number)
      }
    }
    return found
  }

  async close(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true })
  }

  #path(nth: number): string {
    return join(this.#folder, `${nth}`)
  }
}
