import type { Source, SqlFile, Tree } from './source.ts'
import { isNode, walk } from './source.ts'

/** A piece of SQL and where it begins in its file. Comments and quoted strings are blanked, so that positions stay true. */
export interface SqlText {
  readonly file: SqlFile
  readonly at: number
  readonly text: string
}

const looksLikeSql =
  /\b(select\s|insert\s+into\s|update\s+\S+\s+(as\s+\S+\s+)?set\s|delete\s+from\s|create\s+(table|view|index)|alter\s+table|truncate\s|join\s+\S+\s+on\s|from\s+\w+\.\w+)/i

/** SQL in the strings and templates of a source. What is put into a template is unknown here and stands as a blank. */
export function sqlIn(source: Source): SqlText[] {
  const found: SqlText[] = []
  const keep = (at: number, raw: string) => {
    if (looksLikeSql.test(raw)) found.push({ file: source, at, text: blank(raw) })
  }
  walk(source.program, (node) => {
    if (node.type === 'Literal' && typeof node['value'] === 'string') keep(node.start + 1, source.text.slice(node.start + 1, node.end - 1))
    if (node.type === 'TemplateLiteral') {
      let text = source.text.slice(node.start + 1, node.end - 1)
      for (const inner of node['expressions'] as unknown[]) {
        if (!isNode(inner)) continue
        // `${` and `}` belong to the hole as well; its letters become spaces so that nothing inside is taken for SQL.
        const [from, to] = [inner.start - node.start - 3, inner.end - node.start]
        text = text.slice(0, from) + text.slice(from, to).replaceAll(/[^\n]/g, ' ') + text.slice(to)
      }
      keep(node.start + 1, text)
    }
  })
  return found
}

export function sqlOfMigrations(tree: Tree): SqlText[] {
  return tree.migrations.map((file) => ({ file, at: 0, text: blank(file.text) }))
}

/** Comments and quoted strings become spaces. Dollar quotes stay: what is in them is the SQL of a function. */
export function blank(sql: string): string {
  return sql.replaceAll(/--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'/g, (match) => match.replaceAll(/[^\n]/g, ' '))
}
