import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readTree, type Tree, type Wall } from './source.ts'
import { breaksOf, walls } from './walls.ts'

const fixtures = join(import.meta.dirname, 'fixtures')
const shown = (wall: Wall, tree: Tree) => breaksOf(wall, tree).map(({ path, line, message }) => `${path}:${line} ${message}`)

/**
 * A fixture marks each line that must be caught: `// breaks: part of the message` (or `--` in SQL). Lines without the mark
 * must pass, so a wall that calls everything broken fails as well as one that sees nothing.
 */
function markedIn(tree: Tree): { place: string; message: string }[] {
  return [...tree.sources, ...tree.migrations].flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, index) =>
      [...line.matchAll(/(?:\/\/|--) breaks: (.+?)(?= (?:\/\/|--) breaks:|$)/g)].map((match) => ({
        place: `${path}:${index + 1}`,
        message: match[1]?.trim() ?? '',
      })),
    ),
  )
}

const project = readTree(join(import.meta.dirname, '..'))

describe('the walls hold in this project', () => {
  test('there is something to look at', () => {
    expect(project.sources.length).toBeGreaterThan(50)
    expect(project.migrations.length).toBeGreaterThan(5)
  })

  for (const wall of walls) test(`wall "${wall.name}" holds`, () => expect(shown(wall, project)).toEqual([]))
})

describe('each wall catches what it is there for, and nothing else', () => {
  test('every wall has a fixture that breaks it, and every fixture its wall', () => {
    expect(readdirSync(fixtures).toSorted()).toEqual(walls.map((wall) => wall.name).toSorted())
  })

  for (const wall of walls) {
    test(`wall "${wall.name}" fails on its fixture for the reasons marked in it`, () => {
      const tree = readTree(join(fixtures, wall.name))
      const marked = markedIn(tree)
      expect(marked.length).toBeGreaterThan(0)
      const found = breaksOf(wall, tree).map(({ path, line, message }) => ({ place: `${path}:${line}`, message }))
      expect(found.map(({ place }) => place).toSorted()).toEqual(marked.map(({ place }) => place).toSorted())
      for (const { place, message } of marked) {
        const said = found.filter((entry) => entry.place === place).map((entry) => entry.message)
        expect(
          said.some((text) => text.includes(message)),
          `${place} should say "${message}" but says: ${said.join(' | ')}`,
        ).toBe(true)
      }
    })
  }
})
