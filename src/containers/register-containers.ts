import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import { type ContainerKind, findContainers, findTakenTags, insertContainers, lockNames, type NewContainer } from './container-store.ts'
import { checkPrintedKey, hexOf, parseEpc } from './epc.ts'

export interface RegisterContainer {
  readonly code: string
  readonly kind: ContainerKind
  readonly colour: string
  /** The tag, in hex or as URI. */
  readonly epc?: string
  /** What is printed on it beside the bar code; where it is given, it must be right and that of the tag. */
  readonly gtin?: string
  readonly grai?: string
  readonly actor: string
  readonly commandId: string
}

export interface RegisteredContainer {
  readonly containerId: number
  readonly code: string
  readonly epc: string | null
  /** False when the same container was registered before. */
  readonly created: boolean
}

/** The tag in the form in which it is stored, when everything said about it fits together. */
export function tagOf({ epc, gtin, grai }: Pick<RegisterContainer, 'epc' | 'gtin' | 'grai'>): Outcome<string | null> {
  if (epc === undefined) {
    if (gtin === undefined && grai === undefined) return accepted(null)
    const field = gtin === undefined ? '/grai' : '/gtin'
    return refused('containers.bad_printed_key', 'a printed key is compared with the tag; send the tag as well, in the field epc', field)
  }
  const read = parseEpc(epc)
  if (!read.ok) return read
  for (const [scheme, printed] of [['sgtin', gtin] as const, ['grai', grai] as const]) {
    if (printed === undefined) continue
    const checked = checkPrintedKey(read.value, scheme, printed)
    if (!checked.ok) return checked
  }
  return accepted(hexOf(read.value))
}

/**
 * Registers 1 to 10,000 containers; each outcome is its own, and the same registration again finds the first. Four statements. One
 * transaction at a time: it is rare work, and so codes and tags can be looked up, decided on and written without a race.
 */
export async function registerContainers(
  context: WriteContext,
  commands: readonly RegisterContainer[],
): Promise<Outcome<RegisteredContainer>[]> {
  const tags = commands.map(tagOf)
  await lockNames(context, ['registering'])
  const codes = [...new Set(commands.map(({ code }) => code))]
  const epcs = [...new Set(tags.flatMap((tag) => (tag.ok && tag.value !== null ? [tag.value] : [])))]
  const [takenTags, known] = await Promise.all([findTakenTags(context, epcs), findContainers(context, codes)])
  const fresh = new Map<string, NewContainer>()

  const judged = commands.map((command, index): Outcome<{ epc: string | null; created: boolean }> => {
    const tag = tags[index] as Outcome<string | null>
    if (!tag.ok) return tag
    const { code, kind, colour } = command
    const epc = tag.value
    const before = known.get(code) ?? fresh.get(code)
    if (before !== undefined) {
      if (before.kind === kind && before.colour === colour && before.epc === epc) return accepted({ epc, created: false })
      return refused(
        'containers.code_taken',
        `${code} is a ${before.colour} ${before.kind} with ${before.epc ?? 'no tag'} already`,
        '/code',
      )
    }
    if (epc !== null) {
      if (takenTags.has(epc)) return refused('containers.tag_taken', `tag ${epc} is on another container already`, '/epc')
      takenTags.add(epc)
    }
    fresh.set(code, { code, kind, colour, epc, actor: command.actor, commandId: command.commandId })
    return accepted({ epc, created: true })
  })
  const born = await insertContainers(context, [...fresh.values()])
  return judged.map((outcome, index): Outcome<RegisteredContainer> => {
    if (!outcome.ok) return outcome
    const { code } = commands[index] as RegisterContainer
    return accepted({ containerId: born.get(code) ?? known.get(code)?.containerId ?? 0, code, ...outcome.value })
  })
}
