import { type Break, breakAt, contexts, type Source, type Wall } from './source.ts'

const faces = new Set(contexts.map((name) => `#${name}`))
const testPackages = /^(vitest|fast-check)(\/|$)/

/** Whether a source may import `from`; if not, why. */
function refusal(source: Source, from: string): string | undefined {
  // The composition root is one room in two folders. It has no # name, so that no room can import it by accident; itself,
  // end-to-end tests and benchmarks reach it by its path.
  if (source.room.kind === 'main' && /^\.\.\/[a-z-]+\.ts$/.test(from)) return undefined
  if (source.room.kind === 'outside' && /^(\.\.\/)+src\/(cli\/)?[a-z-]+\.ts$/.test(from)) return undefined
  if (from.includes('../')) return 'climbs out of its folder: use the #names of package.json'
  if (from.startsWith('./')) return undefined
  if (!source.isTest && source.room.kind !== 'outside') {
    if (from.startsWith('#test/')) return 'is support of tests: only tests import it'
    if (testPackages.test(from)) return 'is a tool of tests: only tests import it'
  }
  const inner = /^#(\w+)\//.exec(from)?.[1]
  if (inner !== undefined && contexts.includes(inner)) return `is the inside of a context: only its face #${inner} may be imported`
  if (source.isTest) return undefined
  return refusalInRoom(source, from)
}

function refusalInRoom({ room }: Source, from: string): string | undefined {
  const isOurs = from.startsWith('#')
  const towards = (allowed: boolean, direction: string) => (isOurs && !allowed ? direction : undefined)
  const toKernel = from.startsWith('#kernel/')
  const toPlatform = from.startsWith('#platform/')
  switch (room.kind) {
    case 'kernel':
      return toKernel ? undefined : 'is outside of the kernel, which is pure and imports only itself'
    case 'platform':
      return towards(toKernel || toPlatform, 'lies above the platform, which knows kernel only')
    case 'context':
      if (from === `#${room.name}`) return 'is its own face: import the file that has it'
      return towards(toKernel || toPlatform || faces.has(from), 'lies above a context, which knows kernel, platform and faces of contexts')
    case 'partners':
      return towards(
        toKernel || toPlatform || faces.has(from) || from.startsWith('#partners/'),
        'lies above a partner, which implements interfaces that contexts own',
      )
    case 'flows':
      return towards(toKernel || toPlatform || faces.has(from), 'is nothing that a flow may know: it ties faces of contexts together')
    case 'main':
    case 'outside':
      return undefined
  }
}

export const importsWall: Wall = {
  name: 'imports',
  why: 'kernel ← platform ← contexts ← flows ← main: what lies below must be usable, testable and changeable without what lies above.',
  check: ({ sources }) => [
    ...sources.flatMap((source) =>
      source.imports.flatMap(({ from, at }): Break[] => {
        const reason = refusal(source, from)
        return reason === undefined ? [] : [breakAt(source, at, `${from} ${reason}`)]
      }),
    ),
    ...rings(sources),
  ],
}

/** Contexts that import each other's faces in a ring are one context with two names. */
function rings(sources: readonly Source[]): Break[] {
  const edges = sources
    .filter((source) => source.room.kind === 'context' && !source.isTest)
    .flatMap((source) =>
      source.imports
        .filter(({ from }) => faces.has(from))
        .map(({ from, at }) => ({ source, at, name: source.room.name, to: from.slice(1) })),
    )
  const reaches = (from: string, to: string, seen = new Set<string>()): boolean =>
    edges.some((edge) => edge.name === from && (edge.to === to || (!seen.has(edge.to) && reaches(edge.to, to, seen.add(edge.to)))))
  return edges
    .filter((edge) => edge.to !== edge.name && reaches(edge.to, edge.name))
    .map((edge) => breakAt(edge.source, edge.at, `${edge.name} and ${edge.to} import each other: let one of them announce an event`))
}
