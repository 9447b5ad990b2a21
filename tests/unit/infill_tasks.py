"""Twenty functions in the format of HumanEval-Infilling, the first line of each missing, with tests."""

from foretype.eval.infill import Task

# name and parameters, the line that is missing, what follows it, and what must hold of `f`
_FUNCTIONS = [
    ("double(x)", "return 2 * x", "", "f(2) == 4 and f(-1) == -2"),
    (
        "largest(xs)",
        "best = xs[0]",
        "for x in xs:\n    best = x if x > best else best\nreturn best",
        "f([3, 9, 2]) == 9",
    ),
    ("backwards(text)", "return text[::-1]", "", "f('abc') == 'cba' and f('') == ''"),
    (
        "is_palindrome(text)",
        "kept = text.lower()",
        "return kept == kept[::-1]",
        "f('Anna') is True and f('ab') is False",
    ),
    ("factorial(n)", "product = 1", "for k in range(2, n + 1):\n    product *= k\nreturn product", "f(5) == 120"),
    ("vowels(text)", "found = 0", "for c in text:\n    found += c in 'aeiou'\nreturn found", "f('banana') == 3"),
    ("gcd(a, b)", "while b:", "    a, b = b, a % b\nreturn a", "f(12, 18) == 6 and f(7, 3) == 1"),
    ("words(text)", "parts = text.split()", "return len(parts)", "f('a b  c') == 3 and f('') == 0"),
    ("fibonacci(n)", "a, b = 0, 1", "for _ in range(n):\n    a, b = b, a + b\nreturn a", "f(10) == 55"),
    ("flat(rows)", "return [x for row in rows for x in row]", "", "f([[1], [2, 3]]) == [1, 2, 3]"),
    ("mean(xs)", "total = sum(xs)", "return total / len(xs)", "f([1, 2, 3]) == 2"),
    (
        "unique(xs)",
        "seen = []",
        "for x in xs:\n    if x not in seen:\n        seen.append(x)\nreturn seen",
        "f([1, 2, 1]) == [1, 2]",
    ),
    ("clamp(x)", "if x < 0:", "    return 0\nreturn min(x, 10)", "f(-5) == 0 and f(5) == 5 and f(50) == 10"),
    ("binary(n)", "return bin(n)[2:]", "", "f(5) == '101'"),
    (
        "counts(text)",
        "of = {}",
        "for c in text:\n    of[c] = of.get(c, 0) + 1\nreturn of",
        "f('aab') == {'a': 2, 'b': 1}",
    ),
    ("pairs(xs)", "return list(zip(xs, xs[1:]))", "", "f([1, 2, 3]) == [(1, 2), (2, 3)]"),
    (
        "primes(n)",
        "found = []",
        "for k in range(2, n):\n    if all(k % p for p in found):\n        found.append(k)\nreturn found",
        "f(10) == [2, 3, 5, 7]",
    ),
    ("title(text)", "return ' '.join(w.capitalize() for w in text.split())", "", "f('ab cd') == 'Ab Cd'"),
    ("odd(xs)", "return [x for x in xs if x % 2]", "", "f([1, 2, 3]) == [1, 3]"),
    (
        "depth(text)",
        "now = most = 0",
        "for c in text:\n    now += (c == '(') - (c == ')')\n    most = max(most, now)\nreturn most",
        "f('(())()') == 2",
    ),
]


def _indented(code: str) -> str:
    return "".join(f"    {line}\n" for line in code.splitlines())


def _task(number: int, head: str, hole: str, suffix: str, holds: str) -> Task:
    tests = f"\n\nMETADATA = {{}}\n\n\ndef check(candidate):\n    f = candidate\n    assert {holds}\n"
    name = head.partition("(")[0]
    prompt = f'def {head}:\n    """{name.capitalize()}."""\n'
    return Task(f"SingleLineInfilling/HumanEval/{number}/L0", name, prompt, _indented(suffix), _indented(hole), tests)


TASKS = [_task(number, *each) for number, each in enumerate(_FUNCTIONS)]
