/** A node of PostgreSQL's `explain (analyze, format json)`. */
export interface PlanNode {
  readonly 'Actual Rows': number
  readonly 'Actual Loops': number
  readonly 'Rows Removed by Filter'?: number
  readonly 'Rows Removed by Join Filter'?: number
  readonly 'Relation Name'?: string
  readonly Plans?: readonly PlanNode[]
}

export interface Explained {
  readonly 'QUERY PLAN': readonly [{ readonly Plan: PlanNode }]
}

/** Rows that a plan made, and those that it looked at in vain; of all its nodes, or of those that read one table. */
export function rowsLookedAt(explained: Explained | undefined, table?: string): number {
  const of = (node: PlanNode): number => {
    const own = node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Join Filter'] ?? 0)
    const counted = table === undefined || node['Relation Name'] === table ? own * node['Actual Loops'] : 0
    return (node.Plans ?? []).reduce((sum, each) => sum + of(each), counted)
  }
  return explained === undefined ? 0 : of(explained['QUERY PLAN'][0].Plan)
}
