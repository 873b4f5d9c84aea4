import { type Break, breakAt, type Source, type Wall, walk } from './source.ts'

/** vitest reads its configuration and its global set-up from default exports. */
const defaultExportsAllowed = new Set(['vitest.config.ts', 'tidy/vitest.config.ts', 'test/support/postgres-for-run.ts'])
const longestFile = 450

export const defaultExportsWall: Wall = {
  name: 'default-exports',
  why: 'A default export has another name in each file that imports it, and cannot be searched for.',
  check: ({ sources }) =>
    sources
      .filter((source) => !defaultExportsAllowed.has(source.path))
      .flatMap((source) => {
        const broken: Break[] = []
        walk(source.program, (node) => {
          if (node.type === 'ExportDefaultDeclaration') broken.push(breakAt(source, node.start, 'default export: give it its name'))
        })
        return broken
      }),
}

export const anyWall: Wall = {
  name: 'any',
  why: 'Behind an `any` nothing is checked, and the next reader cannot tell a decision from an oversight.',
  check: ({ sources }) =>
    sources.flatMap((source) => {
      const broken: Break[] = []
      walk(source.program, (node) => {
        if (node.type === 'TSAnyKeyword' && !hasReason(source, node.start)) {
          broken.push(
            breakAt(source, node.start, '`any` without a reason: say why above it (biome-ignore lint/suspicious/noExplicitAny: …)'),
          )
        }
      })
      for (const comment of source.comments) {
        if (/@ts-(ignore|nocheck)/.test(comment.value) || /@ts-expect-error\s*$/.test(comment.value)) {
          broken.push(breakAt(source, comment.start, 'a check of types is turned off without a reason'))
        }
      }
      return broken
    }),
}

function hasReason(source: Source, position: number): boolean {
  const line = breakAt(source, position, '').line
  return source.comments.some((comment) => {
    const reason = /biome-ignore lint\/suspicious\/noExplicitAny:\s*(.+)/.exec(comment.value)?.[1] ?? ''
    return reason.length >= 15 && [line, line - 1].includes(breakAt(source, comment.start, '').line)
  })
}

export const fileLengthWall: Wall = {
  name: 'file-length',
  why: 'A file that does not fit a reader’s head is changed without being read.',
  check: ({ sources }) =>
    sources.flatMap((source) => {
      const lines = source.text.trimEnd().split('\n').length
      return lines > longestFile
        ? [{ path: source.path, line: longestFile + 1, message: `${lines} lines; at most ${longestFile}: part it` }]
        : []
    }),
}
