/** A decoded form: `metadata[key]=x` is `{ metadata: { key: 'x' } }`. Lists by number are records by number. */
export interface Form {
  readonly [name: string]: string | Form | undefined
}

/** Reads Stripe's form encoding. Names of an object's own machinery are left out, so that no request reaches a prototype. */
export function readForm(text: string): Form {
  const form: Record<string, unknown> = Object.create(null) as Record<string, unknown>
  for (const [name, value] of new URLSearchParams(text)) {
    const path = name.split(/[[\]]+/).filter((part) => part !== '')
    if (path.some((part) => part === '__proto__' || part === 'constructor')) continue
    let place = form
    for (const part of path.slice(0, -1)) {
      const next = place[part]
      place = (typeof next === 'object' && next !== null ? next : (place[part] = {})) as Record<string, unknown>
    }
    place[path.at(-1) ?? name] = value
  }
  return form as Form
}

export const textOf = (value: string | Form | undefined): string | undefined => (typeof value === 'string' ? value : undefined)
export const formOf = (value: string | Form | undefined): Form => (typeof value === 'object' ? value : {})
/** A whole number above zero, or undefined. */
export function amountOf(value: string | Form | undefined): number | undefined {
  const text = textOf(value)
  return text !== undefined && /^[1-9]\d{0,14}$/.test(text) ? Number(text) : undefined
}
