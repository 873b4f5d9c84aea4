import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '..')

test('every link of a page to another file leads somewhere', () => {
  const pages = globSync(['*.md', 'docs/**/*.md', 'src/**/README.md'], { cwd: root })
  expect(pages.length).toBeGreaterThan(20)
  const dead = pages.flatMap((page) =>
    [...readFileSync(join(root, page), 'utf8').matchAll(/\]\((?!\w+:)([^)#]+)(?:#[^)]*)?\)/g)].flatMap(([, target = '']) => {
      const file = join(root, dirname(page), target)
      return existsSync(file) ? [] : [`${page} links to ${relative(root, file)}`]
    }),
  )
  expect(dead).toEqual([])
})
