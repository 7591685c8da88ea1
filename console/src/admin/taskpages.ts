/** The tasks of a state, page after page, as one list. */
import type { AdminTask, AdminTasks } from '../api'

export interface Listed extends AdminTasks {
  pages: number
}

/**
 * The first `wanted` pages, or as many as there are. All are loaded again together: tasks move from page to
 * page while people answer them, so one may come twice and is listed once.
 */
export async function firstPages(wanted: number, ask: (cursor: string) => Promise<AdminTasks>): Promise<Listed> {
  let page = await ask('')
  const { counts } = page
  const tasks = new Map<string, AdminTask>(page.tasks.map((task) => [task.id, task]))
  let pages = 1
  while (page.cursor && pages < wanted) {
    page = await ask(page.cursor)
    for (const task of page.tasks) tasks.set(task.id, task)
    pages += 1
  }
  return { tasks: [...tasks.values()], counts, cursor: page.cursor, pages }
}
