import type { Break, Tree, Wall } from './source.ts'
import { importsWall } from './wall-imports.ts'
import { migrationsWall } from './wall-migrations.ts'
import { namesWall } from './wall-names.ts'
import { operationsWall } from './wall-operations.ts'
import { anyWall, defaultExportsWall, fileLengthWall } from './wall-plain-code.ts'
import { purityWall } from './wall-purity.ts'
import { schemasWall } from './wall-schemas.ts'
import { statesWall } from './wall-states.ts'
import { testsWall } from './wall-tests.ts'

export const walls: readonly Wall[] = [
  importsWall,
  schemasWall,
  statesWall,
  operationsWall,
  purityWall,
  namesWall,
  migrationsWall,
  testsWall,
  anyWall,
  defaultExportsWall,
  fileLengthWall,
]

/**
 * What breaks a wall. One place may be let through with its reason, beside it or at most three lines above:
 * `tidy-ignore <wall>: why this is right here`. One that lets nothing through any more is itself a break.
 */
export function breaksOf(wall: Wall, tree: Tree): Break[] {
  const permits = [...tree.sources, ...tree.migrations].flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, index) => {
      const match = /(?:\/\/|--|\*) tidy-ignore ([a-z-]+): (.{20,})/.exec(line)
      return match?.[1] === wall.name ? [{ path, line: index + 1, used: false }] : []
    }),
  )
  const broken = wall.check(tree).filter((found) => {
    const permit = permits.find(({ path, line }) => path === found.path && found.line >= line && found.line - line <= 3)
    if (permit === undefined) return true
    permit.used = true
    return false
  })
  const idle = permits.filter((permit) => !permit.used)
  return [...broken, ...idle.map(({ path, line }) => ({ path, line, message: `tidy-ignore ${wall.name} lets nothing through any more` }))]
}
