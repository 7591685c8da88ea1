/** The responses of the mock API. */
export type Answer = { status: number; body?: unknown }
export const ok = (body: unknown): Answer => ({ status: 200, body })
export const failure = (status: number, code: string, message: string): Answer => ({
  status,
  body: { error: { code, message } },
})
export const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString()
