import { setTimeout as delay } from 'node:timers/promises'
import { isOperational } from '#platform/sql-retry.ts'

const triesMost = 5

/**
 * Writes a batch; when it fails for a reason that is not the world's, each entry alone, so that one bad entry does not
 * hold up the others. What cannot be written is told and let go: here every entry can be had again from the gateway.
 */
export async function writeBatchOrAlone<Item>(
  items: readonly Item[],
  write: (items: readonly Item[]) => Promise<void>,
  tell: (problem: { message: string; error: unknown }) => void,
): Promise<void> {
  for (let tries = 1; items.length > 0; tries += 1) {
    try {
      await write(items)
      return
    } catch (error) {
      tell({ message: `${items.length} results could not be written, try ${tries} of ${triesMost}`, error })
      if (!isOperational(error)) {
        if (items.length > 1) for (const item of items) await writeBatchOrAlone([item], write, tell)
        return
      }
      if (tries >= triesMost) return
      // Without jitter: ContextDatabase.write has scattered its own six tries already.
      await delay(25 * 2 ** tries)
    }
  }
}
