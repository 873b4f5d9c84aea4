/**
 * Parameters as PostgreSQL reads them. Our statements take their columns as arrays, up to a thousand elements each, and
 * pg's own conversion (two regular expressions an element) was the largest single piece of our processor time.
 */
export function parametersOf(values: readonly unknown[]): unknown[] {
  return values.map((value) => (Array.isArray(value) ? arrayLiteral(value) : value))
}

function arrayLiteral(elements: readonly unknown[]): string {
  let text = '{'
  for (let index = 0; index < elements.length; index += 1) {
    if (index > 0) text += ','
    const element = elements[index]
    if (typeof element === 'string') text += quoted(element)
    else if (typeof element === 'number' || typeof element === 'boolean' || typeof element === 'bigint') text += String(element)
    else if (element === null || element === undefined) text += 'NULL'
    else if (element instanceof Date) text += `"${element.toISOString()}"`
    else if (Array.isArray(element)) text += arrayLiteral(element)
    else text += quoted(JSON.stringify(element))
  }
  return `${text}}`
}

/** Always in quotes, so that words such as NULL and braces mean themselves; only quotes and backslashes need more. */
function quoted(text: string): string {
  return text.includes('"') || text.includes('\\') ? `"${text.replace(/["\\]/g, '\\$&')}"` : `"${text}"`
}

/** Instants as PostgreSQL writes them in UTC sessions, such as `2026-03-02 09:00:00.123+00`. */
export function parseInstant(text: string): Date {
  if (text.endsWith('+00') && text.charAt(4) === '-') return new Date(`${text.slice(0, 10)}T${text.slice(11, -3)}Z`)
  throw new Error(`an instant that is not in UTC or not finite: ${text}`)
}
