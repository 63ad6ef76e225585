// The one door to the vendored library: what views are made of, and a memo that it lacks.
import { Component, h, html } from "./vendor/preact-htm.js";

export {
  html,
  render,
  useCallback,
  useEffect,
  useErrorBoundary,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "./vendor/preact-htm.js";

/** Return a component that is drawn again only when one of its properties is another value than before. */
export function memo(view) {
  return class extends Component {
    shouldComponentUpdate(next) {
      const names = new Set([...Object.keys(this.props), ...Object.keys(next)]);
      return [...names].some((name) => this.props[name] !== next[name]);
    }

    render(props) {
      return h(view, props);
    }
  };
}

/** Join the class names that apply. */
export const classes = (...names) => names.filter(Boolean).join(" ");

let lastId = 0;

/** Return an id that no other element of the page has. */
export const newElementId = (name) => `${name}-${(lastId += 1)}`;
