define void @graph_grad(double %x, double %w, ptr align 8 %y, ptr align 8 %x_grad, ptr align 8 %w_grad) #0 {
entry:
  %a = fadd double %x, %w
  %b = fadd double %w, 1.000000e+00
  %0 = fmul double %a, %b
  store double %0, ptr %y, align 8
  store double %b, ptr %x_grad, align 8
  %1 = fadd double %a, %b
  store double %1, ptr %w_grad, align 8
  ret void
}
