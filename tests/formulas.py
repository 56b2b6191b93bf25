"""Is a printed formula a formula: for KaTeX (strict), for matplotlib's mathtext, for LaTeX with amsmath and amssymb."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent


def katex_home() -> Path | None:
    """The folder of the npm package: `KATEX` of the environment, or the one in tests/node_modules, or None."""
    if named := os.environ.get("KATEX"):
        home = Path(named).resolve()
        if not (home / "package.json").is_file():
            raise FileNotFoundError(f"KATEX={named} is not the folder of the npm package katex")
        return home
    home = HERE / "node_modules" / "katex"
    return home if (home / "package.json").is_file() else None


def missing_katex() -> str | None:
    """Why formulas cannot be compiled by KaTeX on this machine, or None."""
    if shutil.which("node") is None:
        return "no node on this machine: formulas are not compiled by KaTeX"
    if katex_home() is None:
        return "no KaTeX: `npm install --prefix tests` puts it into tests/node_modules, or KATEX names its folder"
    return None


def katex_errors(formulas: Sequence[str]) -> list[str]:
    """One message per formula that KaTeX refuses in strict mode, in display or in inline mode."""
    answer = subprocess.run(
        ["node", str(HERE / "formulas.js"), str(katex_home())],
        input=json.dumps(list(formulas)),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    messages = json.loads(answer.stdout)
    return [f"{formula}\n    {message}" for formula, message in zip(formulas, messages, strict=True) if message]


def mathtext_errors(rows: Sequence[str]) -> list[str]:
    """One message per row that matplotlib's mathtext cannot parse; a row has no alignment and no line break."""
    from matplotlib.mathtext import MathTextParser

    parser = MathTextParser("path")
    errors = []
    for row in rows:
        try:
            parser.parse(f"${row}$")
        except ValueError as error:
            errors.append(f"{row}\n    mathtext: {error}")
    return errors


# What real LaTeX knows with amsmath and amssymb, of what a printed formula may need.
_GREEK = """alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi varpi rho
varrho sigma varsigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega
ell hbar imath jmath nabla partial infty emptyset varnothing aleph Re Im"""
_FUNCTIONS = """log ln exp sin cos tan sinh cosh tanh arcsin arccos arctan min max sup inf lim det dim ker arg gcd Pr
operatorname"""
_LARGE = (
    "sum prod int oint bigcup bigcap frac dfrac tfrac sqrt binom limits nolimits underset overset substack stackrel"
)
_RELATIONS = """leq geq le ge neq ne ll gg equiv approx sim simeq cong propto in notin ni subset subseteq supset
supseteq mid nmid parallel perp to gets leftarrow rightarrow Leftarrow Rightarrow leftrightarrow Leftrightarrow mapsto
longmapsto longrightarrow longleftarrow uparrow downarrow iff implies triangleq doteq coloneqq leqslant geqslant
lesssim gtrsim"""
_OPERATORS = """cdot times div pm mp ast star circ bullet oplus ominus otimes odot cup cap setminus wedge vee land lor
lnot neg forall exists"""
_FENCES = """left right middle big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr langle rangle lfloor rfloor lceil rceil
lvert rvert lVert rVert vert Vert lbrace rbrace lbrack rbrack"""
_FONTS = """mathrm mathbf mathbb mathcal mathit mathsf mathtt mathfrak boldsymbol text textbf textit displaystyle
textstyle scriptstyle"""
_ACCENTS = (
    "hat bar tilde dot ddot vec check breve acute grave widehat widetilde overline underline overbrace underbrace"
)
_LAYOUT = "begin end quad qquad dots ldots cdots vdots ddots prime phantom hphantom vphantom mathstrut"
COMMANDS = frozenset(
    " ".join([_GREEK, _FUNCTIONS, _LARGE, _RELATIONS, _OPERATORS, _FENCES, _FONTS, _ACCENTS, _LAYOUT]).split()
) - {"coloneqq"}  # mathtools, not amssymb
ENVIRONMENTS = frozenset({"aligned", "cases"})
_SYMBOLS = frozenset(r"\,:;!{}|% _&#$")


def foreign_commands(latex: str) -> list[str]:
    """What of a formula LaTeX with amsmath and amssymb would not take: commands, environments, non-ASCII letters."""
    found = [rf"\{name}" for name in re.findall(r"\\([A-Za-z]+)", re.sub(r"\\\\", " ", latex)) if name not in COMMANDS]
    found += [rf"\{sign}" for sign in re.findall(r"\\([^A-Za-z])", latex) if sign not in _SYMBOLS]
    found += [name for name in re.findall(r"\\begin\{([^}]*)\}", latex) if name not in ENVIRONMENTS]
    return found + [letter for letter in latex if ord(letter) > 127]
