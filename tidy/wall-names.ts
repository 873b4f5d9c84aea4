import { breakAt, type Break, isNode, nameOf, type Source, type Wall, walk } from './source.ts'

const emptyWords = /^(utils?|helpers?|common|commons|managers?|impl|misc|stuff)$/i
const declarations = new Set([
  'ClassDeclaration',
  'FunctionDeclaration',
  'TSInterfaceDeclaration',
  'TSTypeAliasDeclaration',
  'TSEnumDeclaration',
  'VariableDeclarator',
])

const wordsOf = (name: string): string[] => name.split(/[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])/).filter((word) => word !== '')

function ofPath(path: string): Break[] {
  const broken: Break[] = []
  const empty = path
    .split('/')
    .flatMap(wordsOf)
    .find((word) => emptyWords.test(word))
  if (empty !== undefined) broken.push({ path, line: 1, message: `a file named by "${empty}" says nothing of what is in it` })
  const file = path.split('/').at(-1) ?? ''
  if (!/^[a-z0-9]+([-.][a-z0-9]+)*\.ts$/.test(file)) broken.push({ path, line: 1, message: `${file} is not in kebab-case` })
  return broken
}

function ofDeclarations(source: Source): Break[] {
  const broken: Break[] = []
  walk(source.program, (node) => {
    const name = declarations.has(node.type) && isNode(node['id']) ? nameOf(node['id']) : undefined
    if (name === undefined) return
    const empty = wordsOf(name).find((word) => emptyWords.test(word))
    if (empty !== undefined) broken.push(breakAt(source, node.start, `${name}: "${empty}" says nothing`))
    if (node.type === 'TSInterfaceDeclaration' && /^I[A-Z][a-z]/.test(name)) {
      broken.push(breakAt(source, node.start, `${name}: an interface needs no I before its name`))
    }
    if (node.type === 'TSEnumDeclaration')
      broken.push(breakAt(source, node.start, `${name}: an enum is not erasable; use a union of literals`))
  })
  return broken
}

export const namesWall: Wall = {
  name: 'names',
  why: 'A room named "common" or "helpers" takes in whatever comes by, and nobody can say what belongs there.',
  check: ({ sources }) => sources.flatMap((source) => [...ofPath(source.path), ...ofDeclarations(source)]),
}
