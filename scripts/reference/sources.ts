import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseSync } from 'oxc-parser'

export const root = join(import.meta.dirname, '../..')

/** A source file of ours, with its syntax tree. What the tables of the code do not hold as data is read from there. */
export interface SourceFile {
  /** From the root, with forward slashes. */
  readonly path: string
  readonly text: string
  readonly program: SyntaxNode
  /** Block comments that begin with two stars, by where they end. */
  readonly docs: readonly { readonly end: number; readonly value: string }[]
}

export interface SyntaxNode {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [key: string]: unknown
}

/** Sources of src/ without tests, in the order of their paths. */
export function readSources(): SourceFile[] {
  const paths = globSync('src/**/*.ts', { cwd: root }).map((path) => path.replaceAll('\\', '/'))
  return paths
    .filter((path) => !/(\.test|-rig)\.ts$/.test(path))
    .toSorted()
    .map((path) => {
      const text = readFileSync(join(root, path), 'utf8')
      const { program, comments } = parseSync(path, text)
      const docs = comments.filter((comment) => comment.type === 'Block' && comment.value.startsWith('*'))
      return { path, text, program: program as unknown as SyntaxNode, docs }
    })
}

/** The context that a file belongs to, or the name of its room. */
export const roomOf = (path: string): string => path.split('/')[1] ?? ''

export function isSyntaxNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string'
}

export function visit(node: SyntaxNode, see: (node: SyntaxNode) => void): void {
  see(node)
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? (value as unknown[]) : [value]) if (isSyntaxNode(child)) visit(child, see)
  }
}

/** The text that a literal or a template stands for, with … where a template has a value. */
export function textOf(node: unknown): string | undefined {
  if (!isSyntaxNode(node)) return undefined
  if (node.type === 'Literal' && typeof node['value'] === 'string') return node['value']
  if (node.type === 'ConditionalExpression') return textOf(node['consequent'])
  if (node.type !== 'TemplateLiteral') return undefined
  return (node['quasis'] as { value: { cooked: string } }[]).map((part) => part.value.cooked).join('…')
}

/** A cell of a Markdown table: no line ends, no bars. */
export const cell = (text: string): string => text.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|').trim()

export function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map((row) => line(row.map(cell)))].join('\n')
}

export const code = (text: string): string => `\`${text}\``
