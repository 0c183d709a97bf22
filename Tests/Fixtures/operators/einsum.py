"""Einsum."""

import numpy as np

from recorder import Recorder

recorder = Recorder("Einsum")
random = np.random.default_rng(9)
SIZES = dict(a=2, b=3, c=4, d=5, e=6, i=7, j=8, k=9, h=2, A=3)


def case(equation, *shapes, constants=()):
    terms = equation.replace(" ", "").split("->")[0].split(",")
    shapes = shapes or [[SIZES[letter] for letter in term] for term in terms]
    operands = [random.standard_normal(shape).astype(np.float32) for shape in shapes]
    recorder.case(f"{equation} {list(map(tuple, shapes))}", "Einsum", operands, {"equation": equation}, constants=constants)


for equation in (
    "ij,jk->ik", "ij,jk", "ij , jk -> ki", "ij,kj->ik", "ji,jk->ik", "bhid,bhjd->bhij", "bhij,bhjd->bihd", "bij,bjk->bik",
    "abc,cd->abd", "abcd,cde->abe", "abcd,dce->eab", "ij->ji", "ij->", "ij->j", "abc->ca", "ij,ij->ij", "ij,ij->",
    "i,j->ij", "i,i->", "i,i->i", "ab,bc,cd->ad", "ab,ac,ad->bcd", "abc,abc,abc->c", "ab,c->b", "acb,bA->cA", "bac,bdc->bad",
    "aib,ajb->ija",
):
    case(equation)
case("ii->i", [5, 5])
case("ii", [5, 5])
case("iij,jk->ik", [4, 4, 3], [3, 2])
case("...ij,...jk->...ik", [2, 1, 3, 4], [2, 5, 4, 6])
case("...ij,...jk", [2, 3, 4], [2, 4, 6])
case("i...j->j...i", [2, 3, 4, 5])
case("...,...->...", [2, 3], [2, 3])
case("b...c,cd->b...d", [2, 3, 4], [4, 5])
case("ij,jk->ik", [1, 4], [4, 1])
case("ij,jk->ik", [40, 70], [70, 33], constants=(1,))
recorder.save()
