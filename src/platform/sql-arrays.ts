/**
 * Parameters as PostgreSQL reads them. Our statements take their columns as arrays, up to a thousand elements each, and
 * pg's own conversion (two regular expressions an element) was the largest single piece of our processor time.
 */
export function parametersOf(values: readonly unknown[]): (string | Buffer | null)[] {
  return values.map(parameterOf)
}

function parameterOf(value: unknown): string | Buffer | null {
  if (typeof value === 'string') return value
  if (value === null || value === undefined) return null
  if (Array.isArray(value)) return arrayLiteral(value)
  if (value instanceof Date) return value.toISOString()
  if (Buffer.isBuffer(value)) return value
  // Numbers and truth as they are written in JSON; what is not finite, NaN or an infinity, PostgreSQL reads by these names too.
  return typeof value === 'number' || typeof value === 'bigint' ? value.toString() : JSON.stringify(value)
}

/**
 * JSON writes arrays as PostgreSQL reads them, but for the brackets and for control characters, which JSON names by letter
 * (`\n`) where PostgreSQL would read just that letter. V8's own JSON is several times as fast as a loop of ours.
 */
function arrayLiteral(elements: readonly unknown[]): string {
  const json = JSON.stringify(elements)
  if (json.includes('\\') && namedByLetter.test(json)) return literalByHand(elements)
  return `{${json.slice(1, -1)}}`
}

/** A backslash that is not itself escaped, before a letter. */
const namedByLetter = /(?<!\\)(?:\\\\)*\\[bfnrtu]/

function literalByHand(elements: readonly unknown[]): string {
  const texts = elements.map((element) => {
    if (element === null || element === undefined) return 'NULL'
    const text = element instanceof Date ? element.toISOString() : typeof element === 'string' ? element : JSON.stringify(element)
    return `"${text.replace(/["\\]/g, '\\$&')}"`
  })
  return `{${texts.join(',')}}`
}

/** Instants as PostgreSQL writes them in UTC sessions, such as `2026-03-02 09:00:00.123+00`. */
export function parseInstant(text: string): Date {
  if (text.endsWith('+00') && text.charAt(4) === '-') return new Date(`${text.slice(0, 10)}T${text.slice(11, -3)}Z`)
  throw new Error(`an instant that is not in UTC or not finite: ${text}`)
}
