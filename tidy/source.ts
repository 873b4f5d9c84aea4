import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Comment, parseSync } from 'oxc-parser'

/**
 * A tree of sources as the walls see it: the project itself, or a fixture laid out like it. Parsed by oxc, since tools that
 * use TypeScript's own compiler API do not know TypeScript 7 and may pass without having looked.
 */
export interface Tree {
  readonly sources: readonly Source[]
  readonly migrations: readonly SqlFile[]
}

export interface SqlFile {
  /** From the root, with forward slashes. */
  readonly path: string
  readonly text: string
}

export interface Source extends SqlFile {
  readonly room: Room
  /** Tests and their rigs, which may do what the code may not. */
  readonly isTest: boolean
  readonly program: Node
  readonly comments: readonly Comment[]
  readonly imports: readonly { readonly from: string; readonly at: number }[]
}

/** A node of the syntax tree (ESTree with TypeScript's additions). */
export interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [key: string]: unknown
}

export interface Room {
  readonly kind: 'kernel' | 'platform' | 'context' | 'partners' | 'flows' | 'main' | 'outside'
  /** The context's name; the folder's for others. */
  readonly name: string
}

/** Something that breaks a wall, where it can be clicked on. */
export interface Break {
  readonly path: string
  readonly line: number
  readonly message: string
}

export interface Wall {
  readonly name: string
  /** What would go wrong without it. */
  readonly why: string
  check(tree: Tree): Break[]
}

export const contexts: readonly string[] = [
  'orders',
  'payments',
  'vouchers',
  'pricing',
  'fulfilment',
  'routing',
  'tracking',
  'merchants',
  'containers',
  'warehousing',
  'identity',
  'messaging',
  'loyalty',
  'ledger',
  'analytics',
]

export function readTree(root: string): Tree {
  const read = (path: string): SqlFile => ({ path: path.replaceAll('\\', '/'), text: readFileSync(join(root, path), 'utf8') })
  const found = (patterns: string[]) =>
    globSync(patterns, { cwd: root, exclude: (path) => path === 'node_modules' || path === 'tidy/fixtures' })
  return {
    sources: found(['{src,test,tidy,bench,scripts}/**/*.ts', '*.ts']).toSorted().map(read).map(parse),
    migrations: found(['migrations/*/*.sql']).toSorted().map(read),
  }
}

export function parse(file: SqlFile): Source {
  const { program, comments, errors } = parseSync(file.path, file.text)
  if (errors.length > 0) throw new Error(`${file.path} cannot be parsed: ${errors[0]?.message}`)
  return {
    ...file,
    room: roomOf(file.path),
    isTest: /(\.test|-rig)\.ts$/.test(file.path) || file.path.startsWith('test/'),
    program: program as unknown as Node,
    comments,
    imports: importsOf(program as unknown as Node),
  }
}

const importing = new Set(['ImportDeclaration', 'ExportNamedDeclaration', 'ExportAllDeclaration', 'ImportExpression', 'TSImportType'])

/** Every way in which one file names another: import, export from, import() and types by import('…'). */
function importsOf(program: Node): { from: string; at: number }[] {
  const found: { from: string; at: number }[] = []
  walk(program, (node) => {
    const from = importing.has(node.type) ? nameOf(node['source']) : undefined
    if (from !== undefined) found.push({ from, at: node.start })
  })
  return found
}

function roomOf(path: string): Room {
  const [top = '', folder = '', rest] = path.split('/')
  if (top !== 'src') return { kind: 'outside', name: top }
  if (rest === undefined || folder === 'cli') return { kind: 'main', name: 'main' }
  if (folder === 'kernel' || folder === 'platform' || folder === 'partners' || folder === 'flows') return { kind: folder, name: folder }
  return { kind: 'context', name: folder }
}

export function breakAt(file: SqlFile, position: number, message: string): Break {
  return { path: file.path, line: file.text.slice(0, position).split('\n').length, message }
}

/** Visits every node below `node`, parents first. */
export function walk(node: Node, visit: (node: Node, parent: Node | undefined) => void, parent?: Node): void {
  visit(node, parent)
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? (value as unknown[]) : [value]) if (isNode(child)) walk(child, visit, node)
  }
}

export function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string'
}

/** The name that an identifier or a string literal stands for. */
export function nameOf(node: unknown): string | undefined {
  if (!isNode(node)) return undefined
  if (node.type === 'Identifier') return String(node['name'])
  return node.type === 'Literal' && typeof node['value'] === 'string' ? node['value'] : undefined
}

/** `object.property` as text, for plain member access. */
export function memberOf(node: Node): string | undefined {
  if (node.type !== 'MemberExpression' || node['computed'] === true) return undefined
  const [object, property] = [nameOf(node['object']), nameOf(node['property'])]
  return object === undefined || property === undefined ? undefined : `${object}.${property}`
}
